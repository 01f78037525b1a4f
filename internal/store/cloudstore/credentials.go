package cloudstore

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/store/driver"
)

// resolve returns the secret that a reference (env:NAME or file:PATH) stands
// for, "" for none. Messages name the reference and never the secret.
func resolve(reference string) (string, error) {
	if reference == "" {
		return "", nil
	}
	kind, what, _ := strings.Cut(reference, ":")
	var secret string
	switch kind {
	case "env":
		secret = os.Getenv(what)
	case "file":
		data, err := os.ReadFile(what)
		if err != nil {
			return "", &driver.HintError{Err: fmt.Errorf("reading credentials: %w", err), Hint: "mend the path in ?credentials=file:PATH"}
		}
		secret = string(data)
	default:
		return "", errors.New("credentials are referred to by env:NAME or file:PATH")
	}
	if secret = strings.TrimSpace(secret); secret == "" {
		return "", &driver.HintError{Err: fmt.Errorf("%s %s holds no credentials", kind, what), Hint: "set it, or mend ?credentials= in the address"}
	}
	return secret, nil
}

func firstOf(values ...string) string { return cmp.Or(values...) }

// newTransport returns the transport for one bucket; proxies are taken from
// the environment.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConnsPerHost: 16,
	}
}

// newHTTPClient has no time-out of its own: guard gives each request one.
func newHTTPClient() *http.Client { return &http.Client{Transport: newTransport()} }
