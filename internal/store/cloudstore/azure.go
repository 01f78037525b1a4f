package cloudstore

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob/azureblob"

	"github.com/kferry/kferry/internal/store/driver"
)

// openAzure opens azblob://CONTAINER/PREFIX. Credentials are, in this order:
// what ?credentials= refers to, AZURE_STORAGE_KEY and
// AZURE_STORAGE_SAS_TOKEN as the az command has them, else the SDK's own chain
// (environment, workload identity, managed identity, the login of az).
func openAzure(ctx context.Context, u *url.URL, l limits) (*cloud, error) {
	q := u.Query()
	account := firstOf(q.Get("account"), os.Getenv("AZURE_STORAGE_ACCOUNT"))
	if account == "" {
		return nil, &driver.HintError{Err: errors.New("no storage account is named"), Hint: "name it with ?account=NAME or AZURE_STORAGE_ACCOUNT"}
	}
	endpoint := q.Get("endpoint")
	if endpoint == "" {
		endpoint = "https://" + account + ".blob.core.windows.net"
	}
	place, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	client, err := azureClient(ctx, place.JoinPath(u.Host), account, q.Get("credentials"), l)
	if err != nil {
		return nil, err
	}
	bucket, err := azureblob.OpenBucket(ctx, client, nil)
	if err != nil {
		return nil, err
	}
	return &cloud{bucket: bucket, noun: "container", status: statusAzure}, nil
}

// azureClient logs in with the first kind of credentials that is there.
func azureClient(ctx context.Context, place *url.URL, account, reference string, l limits) (*container.Client, error) {
	secret, err := resolve(reference)
	if err != nil {
		return nil, err
	}
	secret = firstOf(secret, os.Getenv("AZURE_STORAGE_KEY"), os.Getenv("AZURE_STORAGE_SAS_TOKEN"))
	options := &container.ClientOptions{ClientOptions: policy.ClientOptions{Transport: &guard{do: newHTTPClient().Do, stall: l.stall}}}
	switch {
	case strings.Contains(secret, "sig="):
		if place.Scheme == "http" && !loopback(place.Hostname()) {
			return nil, &driver.HintError{Err: errors.New("a SAS token would go over the network in clear"), Hint: "use an endpoint with https://"}
		}
		signed := *place
		signed.RawQuery = strings.TrimPrefix(secret, "?")
		return container.NewClientWithNoCredential(signed.String(), options)
	case secret != "":
		key, err := container.NewSharedKeyCredential(account, secret)
		if err != nil {
			return nil, &driver.HintError{Err: errors.New("the key of the storage account is not valid base64"), Hint: "give the account key as the portal shows it, or a SAS token with sig=…"}
		}
		return container.NewClientWithSharedKeyCredential(place.String(), key, options)
	}
	chain, err := azidentity.NewDefaultAzureCredential(nil)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, l.stall)
		defer cancel()
		_, err = chain.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://storage.azure.com/.default"}})
	}
	if err != nil {
		return nil, &driver.HintError{
			Err:  &Error{text: "no credentials for Azure were found", err: err},
			Hint: "log in with az login, give this machine or pod an identity, set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or refer to a key or SAS token with ?credentials=env:NAME or file:PATH",
		}
	}
	return container.NewClient(place.String(), chain, options)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func statusAzure(err error) answer {
	re, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return answer{}
	}
	a := answer{status: re.StatusCode, code: re.ErrorCode}
	if a.code == "" {
		a.message = http.StatusText(re.StatusCode)
	}
	return a
}
