package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/kferry/kferry/internal/store"
)

// decodeSummary reads a stored snapshot up to its groups.
func decodeSummary(r io.Reader, k string) (Summary, error) {
	d := &headDecoder{json: json.NewDecoder(r), key: k}
	var format string
	var v int
	err := d.object(func(name string) (bool, error) {
		switch name {
		case "format":
			return true, d.json.Decode(&format)
		case "version":
			return true, d.json.Decode(&v)
		case "body":
			return false, nil
		default:
			return true, d.skip()
		}
	})
	if err != nil {
		return Summary{}, d.failed(err)
	}
	if err := checkFormat(k, format, v); err != nil {
		return Summary{}, err
	}
	fields := map[string]json.RawMessage{}
	err = d.object(func(name string) (bool, error) {
		if name == "groups" {
			return false, nil
		}
		var value json.RawMessage
		err := d.json.Decode(&value)
		fields[name] = value
		return true, err
	})
	if err != nil {
		return Summary{}, d.failed(err)
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return Summary{}, d.failed(err)
	}
	var s Summary
	if err := json.Unmarshal(raw, &s); err != nil {
		return Summary{}, d.failed(err)
	}
	return s, nil
}

func checkFormat(k, format string, v int) error {
	e := &store.FormatError{Key: k, Want: fmt.Sprintf("%s version %d or older", Format, version)}
	switch {
	case format != Format:
		e.Got, e.Err, e.Hint = strconv.Quote(format), store.ErrFormat, "this is another kind of file than the one expected here"
	case v > version:
		e.Got, e.Err, e.Hint = fmt.Sprintf("version %d", v), store.ErrVersion, "use the kferry that wrote it, or a newer one"
	case v < 1:
		e.Got, e.Err, e.Hint = fmt.Sprintf("version %d", v), store.ErrMalformed, "the object is damaged"
	default:
		return nil
	}
	return e
}

// headDecoder reads the beginning of JSON objects.
type headDecoder struct {
	json *json.Decoder
	key  string
}

// object reads an object field by field as long as field says to go on; field
// reads the value. When it says to stop, its value is what comes next.
func (d *headDecoder) object(field func(name string) (bool, error)) error {
	if t, err := d.json.Token(); err != nil {
		return err
	} else if t != json.Delim('{') {
		return fmt.Errorf("%v in place of an object", t)
	}
	for d.json.More() {
		t, err := d.json.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return fmt.Errorf("%v in place of a name", t)
		}
		if goOn, err := field(name); !goOn || err != nil {
			return err
		}
	}
	// Either the object has ended without the field, or the input has.
	if _, err := d.json.Token(); err != nil {
		return err
	}
	return errors.New("a field is missing")
}

func (d *headDecoder) skip() error {
	var value json.RawMessage
	return d.json.Decode(&value)
}

// failed makes a *store.FormatError of an error of decoding.
func (d *headDecoder) failed(err error) error {
	kind := store.ErrMalformed
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		kind = store.ErrTruncated
	}
	return &store.FormatError{Key: d.key, Want: "the summary of a snapshot", Got: err.Error(), Hint: "the snapshot is damaged; the others are not affected", Err: kind}
}
