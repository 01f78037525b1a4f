package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kferry/kferry/api"
)

// Bounds of an answer.
const (
	maxAnswer     = 4 << 10 // bytes of a body that are read
	maxAnswerLine = 200     // bytes of it in an error
	maxRedirects  = 3
)

// newClient returns a client that keeps no connection: calls are minutes apart.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:    30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: follow,
	}
}

// follow goes on only where the same request goes to the same server: a token is
// for the host that was named, and after 301, 302 and 303 a GET without the
// body would be sent, whose success means nothing.
func follow(req *http.Request, via []*http.Request) error {
	first := via[0]
	if req.Method != first.Method || req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// webhook posts body. Everything, the fetching of the token too, is within the
// time limit of ctx.
func (c *Caller) webhook(ctx context.Context, limit time.Duration, w *api.Webhook, body []byte) error {
	u, err := url.Parse(w.URL)
	if err != nil {
		return &Error{What: "webhook", Err: errors.New("its address is not a URL")}
	}
	fail := func(err error, hint string) error {
		if errors.Is(context.Cause(ctx), ErrTimeout) && ctx.Err() != nil {
			err, hint = &lateError{"it did not answer", limit}, ""
		}
		return &Error{What: "webhook at " + u.Host, Err: err, Hint: hint}
	}
	token := ""
	if w.TokenFrom != nil {
		if token, err = c.token(ctx, *w.TokenFrom); err != nil {
			return fail(err, "")
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return fail(errors.New("its address cannot be called"), "")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "kferry")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return fail(withoutURL(err), "")
	}
	defer func() { _ = res.Body.Close() }() // only read
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return nil
	}
	hint, err := refusal(res, token)
	return fail(err, hint)
}

// token fetches the token. Whoever fetches it may hang as well as whoever is
// called: a file can be a pipe that nobody writes to.
func (c *Caller) token(ctx context.Context, ref api.SecretRef) (string, error) {
	if c.o.Token == nil {
		return "", errors.New("nothing here can fetch its token")
	}
	type answer struct {
		token string
		err   error
	}
	fetched := make(chan answer, 1)
	go func() {
		token, err := c.o.Token(ctx, ref)
		fetched <- answer{token, err}
	}()
	var got answer
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case got = <-fetched:
	}
	switch {
	case got.err != nil:
		return "", fmt.Errorf("fetching its token: %w", got.err)
	case got.token == "":
		return "", errors.New("its token is empty")
	case strings.ContainsFunc(got.token, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "", errors.New("its token has spaces, line ends or characters that no header can have")
	}
	return got.token, nil
}

// withoutURL drops the URL, whose query may be nobody's business.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// refusal says what was answered: the status, and the first line of the body,
// both without the token, should the server repeat it.
func refusal(res *http.Response, token string) (hint string, err error) {
	clean := func(b []byte) string {
		if token != "" {
			b = bytes.ReplaceAll(b, []byte(token), []byte("[redacted]"))
		}
		return printable(b, maxAnswerLine)
	}
	answer := "it answered " + clean([]byte(res.Status))
	head, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // what there is of it
	line, _, _ := bytes.Cut(bytes.TrimSpace(head), []byte("\n"))
	if text := clean(line); text != "" {
		answer += ": " + text
	}
	switch {
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		hint = "look at tokenFrom"
	case res.StatusCode >= 300 && res.StatusCode < 400:
		hint = "name the address to which it redirects: the token goes to no other host, and only 307 and 308 repeat a POST"
	}
	return hint, &refusedError{answer}
}
