package main

import (
	"net/http/httptest"
	"testing"
)

func TestAnswerTellsTheBuild(t *testing.T) {
	recorder := httptest.NewRecorder()
	answer(recorder, httptest.NewRequest("GET", "/", nil))
	if got := recorder.Body.String(); got != "myservice devel\n" {
		t.Errorf("the answer is %q", got)
	}
}
