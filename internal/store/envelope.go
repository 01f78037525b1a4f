package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// Kinds of FormatError, for errors.Is.
var (
	// ErrTruncated says that an object ends too early.
	ErrTruncated = errors.New("object is truncated")
	// ErrMalformed says that an object is no envelope at all, or that its body
	// does not have the fields that its format promises.
	ErrMalformed = errors.New("object is malformed")
	// ErrFormat says that an object is of another format than expected.
	ErrFormat = errors.New("object has another format")
	// ErrVersion says that an object was written by a newer kferry.
	ErrVersion = errors.New("object has a newer version")
	// ErrChecksum says that the body is not what was written.
	ErrChecksum = errors.New("checksum does not match")
)

// FormatError says why the content of one object was refused.
type FormatError struct {
	Key  string // the key or the file that was read
	Want string // what was expected
	Got  string // what was found instead
	Hint string // what a user can do
	Err  error  // one of the kinds above
}

// Error names the object, the kind of damage, and both sides of the mismatch.
func (e *FormatError) Error() string {
	return fmt.Sprintf("reading %s: %v: want %s, got %s", e.Key, e.Err, e.Want, e.Got)
}

// Unwrap returns the kind.
func (e *FormatError) Unwrap() error { return e.Err }

const hintDamaged = "the object was cut short or damaged; restore it from a copy, kferry never changes one after writing it"

// envelope is the outer object of docs/formats.md, section Envelope.
type envelope struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"`
	Body    json.RawMessage `json:"body"`
}

// Encode returns body as a stored object: an envelope with format, version and
// checksum. A body that JSON cannot hold byte for byte (a string that is not
// UTF-8) is refused, because encoding/json would silently change it.
func Encode(format string, version int, body any) ([]byte, error) {
	data, _, err := EncodeSum(format, version, body)
	return data, err
}

// EncodeSum is Encode that also returns the checksum of the body in
// hexadecimal, as the envelope has it.
func EncodeSum(format string, version int, body any) (data []byte, hexSum string, err error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, "", fmt.Errorf("encoding %s: %w", format, err)
	}
	raw := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if len(raw) == 0 || raw[0] != '{' {
		return nil, "", fmt.Errorf("encoding %s: %T is not a JSON object", format, body)
	}
	return EncodeRaw(format, version, raw)
}

// EncodeRaw is EncodeSum for a body that is JSON already, a compact object as
// encoding/json writes it without escaping for HTML: large bodies are put
// together by hand, and are neither parsed nor copied more than once here.
func EncodeRaw(format string, version int, raw []byte) (data []byte, hexSum string, err error) {
	if len(raw) < 2 || raw[0] != '{' || raw[len(raw)-1] != '}' {
		return nil, "", fmt.Errorf("encoding %s: the body is not a JSON object", format)
	}
	if replaced(raw) {
		return nil, "", fmt.Errorf("encoding %s: a string is not valid UTF-8 and would not be stored byte for byte", format)
	}
	sum := sha256.Sum256(raw)
	out := make([]byte, 0, len(raw)+len(format)+128)
	out = append(out, `{"format":`...)
	out = strconv.AppendQuote(out, format)
	out = append(out, `,"version":`...)
	out = strconv.AppendInt(out, int64(version), 10)
	out = append(out, `,"sha256":"`...)
	out = hex.AppendEncode(out, sum[:])
	out = append(out, `","body":`...)
	out = append(out, raw...)
	return append(out, '}', '\n'), hex.EncodeToString(sum[:]), nil
}

// replaced reports whether encoding/json met bytes that are not UTF-8: it
// writes the six characters \ufffd for them, and a genuine U+FFFD as itself.
// (A json.RawMessage may hold the escape legitimately; bodies of ours do not,
// since they come from the same encoder.)
func replaced(raw []byte) bool {
	if !utf8.Valid(raw) {
		return true
	}
	for rest := raw; ; {
		i := bytes.Index(rest, []byte(`\ufffd`))
		if i < 0 {
			return false
		}
		slashes := 0
		for j := i - 1; j >= 0 && rest[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			return true
		}
		rest = rest[i+1:]
	}
}

// Decode checks a stored object and decodes its body. It returns the version,
// between 1 and maxVersion, so that a caller can read older ones. key is only
// for messages. The error is a *FormatError; body is then not to be used.
func Decode(data []byte, key, format string, maxVersion int, body any) (int, error) {
	env, err := open(data, key, format, maxVersion)
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(env.Body, body); err != nil {
		return 0, &FormatError{
			Key: key, Want: "a body of " + format, Got: err.Error(),
			Hint: "the checksum is right, so this was written by another program or an unreleased version",
			Err:  ErrMalformed,
		}
	}
	return env.Version, nil
}

// open does all of Decode but the body.
func open(data []byte, key, format string, maxVersion int) (*envelope, error) {
	want := fmt.Sprintf("%s version %d or older", format, maxVersion)
	fail := func(kind error, got, hint string) (*envelope, error) {
		return nil, &FormatError{Key: key, Want: want, Got: got, Hint: hint, Err: kind}
	}
	var env envelope
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	switch err := dec.Decode(&env); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fail(ErrTruncated, fmt.Sprintf("%d bytes that end too early", len(data)), hintDamaged)
	case err != nil:
		return fail(ErrMalformed, err.Error(), "this is not an object of kferry, or it is damaged")
	}
	if rest := bytes.TrimSpace(data[dec.InputOffset():]); len(rest) > 0 {
		return fail(ErrMalformed, fmt.Sprintf("%d bytes after its end", len(rest)), hintDamaged)
	}
	if !utf8.Valid(data) {
		return fail(ErrMalformed, "bytes that are not UTF-8", hintDamaged)
	}
	if env.Format != format {
		return fail(ErrFormat, strconv.Quote(env.Format), "this is another kind of file than the one expected here")
	}
	if env.Version > maxVersion {
		return fail(ErrVersion, fmt.Sprintf("version %d", env.Version), "use the kferry that wrote it, or a newer one")
	}
	if env.Version < 1 || len(env.Body) == 0 || env.Body[0] != '{' {
		return fail(ErrMalformed, fmt.Sprintf("version %d with a body of %d bytes", env.Version, len(env.Body)), hintDamaged)
	}
	sum := sha256.Sum256(env.Body)
	if got := hex.EncodeToString(sum[:]); got != env.SHA256 {
		want = "sha256 " + env.SHA256
		return fail(ErrChecksum, "sha256 "+got, "the object was changed after it was written, by damage or by hand; make it anew")
	}
	return &env, nil
}
