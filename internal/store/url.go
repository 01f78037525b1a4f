package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/store/driver"
)

// ErrURL says that the URL of a cloud is not one that can be used.
var ErrURL = errors.New("invalid address of storage")

// Opener opens the driver for the place that a URL names. The URL has been
// checked by Open: the host is the bucket, the path is empty or a prefix that
// is a valid key, and every parameter is one of those that the scheme has,
// given once. It is called once for each Open, and must not write.
type Opener func(ctx context.Context, u *url.URL) (driver.Driver, error)

// parameters are those that each scheme has; a secret is never one of them.
var parameters = map[string][]string{
	"s3":     {"endpoint", "path-style", "profile", "region"},
	"azblob": {"account", "credentials", "endpoint"},
	"gs":     {"credentials", "endpoint"},
}

// openCloud opens a URL whose scheme is no file, and returns the URL that
// names the place in messages. Messages show the scheme and no more of a
// foreign URL: it may hold a secret.
func openCloud(ctx context.Context, scheme, rawURL string, opts *Options) (driver.Driver, string, error) {
	if _, known := parameters[scheme]; !known {
		return nil, "", fmt.Errorf("%w: scheme %q is not known; use file:///absolute/folder, s3://, azblob:// or gs://", ErrScheme, scheme)
	}
	u, err := parseURL(scheme, rawURL)
	if err != nil {
		return nil, "", err
	}
	var open Opener
	if opts != nil {
		open = opts.Schemes[scheme]
	}
	if open == nil {
		return nil, "", fmt.Errorf("%w: %s:// is not built into this program; use file:///absolute/folder", ErrScheme, scheme)
	}
	drv, err := open(ctx, u)
	if err != nil {
		return nil, "", &Error{Op: "opening", Bucket: u.String(), Err: err, Hint: hintOf(err)}
	}
	return drv, u.String(), nil
}

// parseURL checks the URL of a cloud and returns it in the one form that is
// used in messages: no slashes around the prefix, parameters in order.
func parseURL(scheme, rawURL string) (*url.URL, error) {
	refuse := func(format string, args ...any) (*url.URL, error) {
		return nil, fmt.Errorf("%w: %s://: %s", ErrURL, scheme, fmt.Sprintf(format, args...))
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		// What url.Parse says quotes the URL.
		return refuse("it cannot be parsed; write %s://BUCKET/PREFIX?%s=VALUE", scheme, parameters[scheme][0])
	}
	switch {
	case u.User != nil:
		return refuse("a user or a password does not belong into an address, which is shown and stored; %s", hintCredentials)
	case u.Fragment != "" || strings.HasSuffix(rawURL, "#"):
		return refuse("a fragment (what follows #) means nothing here")
	case u.Host == "" || u.Opaque != "":
		return refuse("the name of the bucket is missing; write %s://BUCKET/PREFIX", scheme)
	case u.Port() != "" || strings.ContainsAny(u.Host, ":[]"):
		return refuse("%q is not the name of a bucket; a server is named by ?endpoint=https://HOST:PORT", u.Host)
	}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		if err := CheckKey(prefix); err != nil {
			return refuse("the prefix: %v", err)
		}
		prefix = "/" + prefix
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return refuse("the parameters after ? cannot be parsed; write NAME=VALUE&NAME=VALUE and escape other characters (%%26 for &)")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if err := checkParameter(scheme, name, query[name]); err != nil {
			return refuse("%v", err)
		}
	}
	return &url.URL{Scheme: scheme, Host: u.Host, Path: prefix, RawQuery: query.Encode()}, nil
}

const hintCredentials = "credentials come from the environment, a profile or the machine's own identity, as the cloud's own tools find them"

// checkParameter checks one parameter. Values are shown only where they cannot
// be secrets.
func checkParameter(scheme, name string, values []string) error {
	known := parameters[scheme]
	switch {
	case secretName(name) && !slices.Contains(known, name):
		return fmt.Errorf("parameter %q is a secret, and an address is shown and stored; %s", name, hintCredentials)
	case !slices.Contains(known, name):
		if near := nearest(name, known); near != "" {
			return fmt.Errorf("there is no parameter %q; did you mean %q?", name, near)
		}
		return fmt.Errorf("there is no parameter %q; there are %s", name, strings.Join(known, ", "))
	case len(values) > 1:
		return fmt.Errorf("parameter %q is there %d times", name, len(values))
	case values[0] == "":
		return fmt.Errorf("parameter %q is empty", name)
	}
	switch name {
	case "endpoint":
		return checkEndpoint(values[0])
	case "credentials":
		kind, what, _ := strings.Cut(values[0], ":")
		if kind != "env" && kind != "file" || what == "" {
			return errors.New("parameter \"credentials\" is a reference, env:NAME or file:PATH, never the secret itself")
		}
	case "path-style":
		if values[0] != "true" && values[0] != "false" {
			return errors.New("parameter \"path-style\" is true or false")
		}
	}
	return nil
}

func checkEndpoint(value string) error {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("parameter \"endpoint\" is the URL of a server, http://HOST:PORT or https://HOST:PORT")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("parameter \"endpoint\" takes no user, query or fragment; %s", hintCredentials)
	}
	return nil
}

// secretName reports whether a parameter of this name holds a secret in one of
// the clouds' own addresses (access keys, SAS tokens, signed URLs).
func secretName(name string) bool {
	lower := strings.ToLower(name)
	for _, part := range []string{"secret", "password", "token", "key", "signature", "credential"} {
		if strings.Contains(lower, part) {
			return true
		}
	}
	return lower == "sig" || lower == "sas"
}

// nearest returns the name that differs from the one given in the fewest
// places, or "" when none is near: the user meant something else.
func nearest(name string, names []string) string {
	best, least := "", 3
	for _, other := range names {
		if d := distance(squash(name), squash(other)); d < least {
			best, least = other, d
		}
	}
	return best
}

// squash makes names equal that differ in case and in how words are joined.
func squash(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
}

// distance counts the bytes to put in, leave out or replace to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
