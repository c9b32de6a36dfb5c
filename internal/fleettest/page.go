package fleettest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
)

// token is where a list goes on.
type token struct{ Limit, Page uint16 }

func (t token) encode() string {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, t) // into memory
	return base64.URLEncoding.EncodeToString(b.Bytes())
}

// token reads where a list is to go on.
func (c *Cluster) token(query url.Values) (token, error) {
	t := token{c.opts.TokenLimit, 1}
	list, given := query["nextPageToken"]
	if !given {
		return t, nil
	}
	if len(list) > 1 {
		return t, errors.New("too many values for page token")
	}
	raw, err := base64.URLEncoding.DecodeString(list[0])
	if err != nil {
		return t, err
	}
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, &t); err != nil {
		return t, err
	}
	switch {
	case t.Limit != c.opts.TokenLimit:
		return t, fmt.Errorf("token limit must be %d", c.opts.TokenLimit)
	case t.Page == 0:
		return t, errors.New("token page must be greater than zero")
	}
	return t, nil
}

// page cuts one page out of a list, with the token of the next, "" for none. A
// page that is full has a next one, even when that is empty.
func page[E any](all []E, t token) (part []E, next string) {
	start, stop := int(t.Page-1)*int(t.Limit), int(t.Page)*int(t.Limit)
	if start >= len(all) {
		return nil, ""
	}
	if stop > len(all) {
		return all[start:], ""
	}
	return all[start:stop], token{t.Limit, t.Page + 1}.encode()
}
