package store

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/store/memstore"
)

func TestOpenCloud(t *testing.T) {
	t.Parallel()
	const given = "https://s3.example:9000"
	for _, tt := range []struct {
		name, in, want string
		err            string
	}{
		{"bucket", "s3://b", "s3://b", ""},
		{"prefix", "s3://b//team/a/", "s3://b/team/a", ""},
		{"parameters in order", "s3://b/p?region=eu-1&path-style=true&profile=x", "s3://b/p?path-style=true&profile=x&region=eu-1", ""},
		{"endpoint", "s3://b?endpoint=" + given, "s3://b?endpoint=" + url.QueryEscape(given), ""},
		{"Azure", "azblob://c/p?account=acc&credentials=env:KEY", "azblob://c/p?account=acc&credentials=env%3AKEY", ""},
		{"Google", "gs://b", "gs://b", ""},
		{"user", "s3://AKIAhush:hush@b/p", "", "does not belong into an address"},
		{"secret parameter", "s3://b?secret_access_key=hush", "", `"secret_access_key" is a secret`},
		{"SAS", "azblob://c?account=a&sig=hush", "", `"sig" is a secret`},
		{"credentials by value", "azblob://c?credentials=hush", "", "env:NAME or file:PATH"},
		{"credentials of S3", "s3://c?credentials=env:hush", "", "is a secret"},
		{"near name", "s3://b?regoin=x", "", `did you mean "region"?`},
		{"words joined otherwise", "s3://b?pathStyle=true", "", `did you mean "path-style"?`},
		{"unknown name", "gs://b?storage=x", "", "there are credentials, endpoint"},
		{"twice", "s3://b?region=x&region=y", "", "2 times"},
		{"empty", "s3://b?region=", "", "is empty"},
		{"path style", "s3://b?path-style=1", "", "true or false"},
		{"endpoint without scheme", "s3://b?endpoint=localhost:9000", "", "URL of a server"},
		{"endpoint with user", "s3://b?endpoint=http://hush:hush@h", "", "takes no user"},
		{"fragment", "s3://b/p#x", "", "fragment"},
		{"no bucket", "s3:///p", "", "bucket is missing"},
		{"a server as bucket", "s3://host:9000/p", "", "endpoint=https"},
		{"prefix that is no key", "s3://b/../p", "", "dot"},
		{"not a URL", "s3://b/%zz?secret=hush", "", "cannot be parsed"},
		{"not a query", "s3://b?a;hush=b", "", "cannot be parsed"},
		{"not known", "ftp://u:hush@host/x", "", "not known"},
		{"empty address", "", "", "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			open := func(context.Context, *url.URL) (driver.Driver, error) { return memstore.New(), nil }
			b, err := Open(t.Context(), tt.in, &Options{Schemes: map[string]Opener{"s3": open, "azblob": open, "gs": open}})
			if tt.err == "" {
				if err != nil || b.URL() != tt.want {
					t.Fatalf("got %v, %v, want %q", b, err, tt.want)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got error %v, want one with %q and no secret", err, tt.err)
			}
			if !errors.Is(err, ErrURL) && !errors.Is(err, ErrScheme) {
				t.Errorf("%v is of no known kind", err)
			}
		})
	}
}

func TestOpenCloudNotBuiltIn(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"s3://b", "azblob://c?account=a", "gs://b"} {
		if _, err := Open(t.Context(), u, nil); !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), "not built into this program") {
			t.Errorf("%s: got error %v", u, err)
		}
	}
}

func TestOpenCloudFails(t *testing.T) {
	t.Parallel()
	cause := &driver.HintError{Err: errors.New("no credentials"), Hint: "log in"}
	open := func(context.Context, *url.URL) (driver.Driver, error) { return nil, cause }
	_, err := Open(t.Context(), "gs://b/p", &Options{Schemes: map[string]Opener{"gs": open}})
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Hint != "log in" || !errors.Is(err, cause) || !strings.Contains(err.Error(), "opening storage: opening gs://b/p: no credentials") {
		t.Errorf("got error %v", err)
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("s3", "s3://b/p?region=x")
	f.Add("azblob", "azblob://c?credentials=file:/x")
	f.Add("gs", "gs://b?endpoint=http://h")
	f.Fuzz(func(t *testing.T, scheme, raw string) {
		if _, known := parameters[scheme]; !known || !strings.HasPrefix(raw, scheme+"://") {
			return
		}
		u, err := parseURL(scheme, raw)
		if err != nil {
			return
		}
		again, err := parseURL(scheme, u.String())
		if err != nil || again.String() != u.String() {
			t.Errorf("%q became %q, and that %v, %v", raw, u, again, err)
		}
	})
}
