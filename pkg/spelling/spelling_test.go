package spelling

import "testing"

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"stamp", "stamp", 0}, {"stamp", "", 5}, {"stmap", "stamp", 2}, {"images", "image", 1}, {"check", "chunk", 2}} {
		if got, back := Distance(tt.a, tt.b), Distance(tt.b, tt.a); got != tt.want || back != tt.want {
			t.Errorf("Distance(%q, %q) = %d, %d the other way, want %d", tt.a, tt.b, got, back, tt.want)
		}
	}
}
