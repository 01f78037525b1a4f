package cloudstore

import (
	"context"
	"errors"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"gocloud.dev/blob/s3blob"

	"github.com/kferry/kferry/internal/store/driver"
)

// openS3 opens s3://BUCKET/PREFIX. Region and credentials come from the SDK's
// own chain (environment, profiles with single sign-on and roles, web
// identity, container and instance), so that whatever lets the aws command in
// lets kferry in.
func openS3(ctx context.Context, u *url.URL, l limits) (*cloud, error) {
	q := u.Query()
	var load []func(*config.LoadOptions) error
	if v := q.Get("profile"); v != "" {
		load = append(load, config.WithSharedConfigProfile(v))
	}
	if v := q.Get("region"); v != "" {
		load = append(load, config.WithRegion(v))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, &driver.HintError{Err: err, Hint: "mend the profile in ~/.aws/config or in the address (?profile=NAME)"}
	}
	endpoint := q.Get("endpoint")
	if endpoint == "" && cfg.BaseEndpoint != nil {
		endpoint = *cfg.BaseEndpoint
	}
	switch {
	case cfg.Region != "":
	case endpoint == "":
		return nil, &driver.HintError{Err: errors.New("no region is set"), Hint: "name it with ?region=NAME, AWS_REGION or in the profile"}
	default:
		cfg.Region = "us-east-1" // what other stores than that of AWS are content with
	}
	if err := haveCredentials(ctx, cfg, l); err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		if endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
		// Few stores but that of AWS have a host name for each bucket.
		o.UsePathStyle = endpoint != "" && q.Get("path-style") != "false" || q.Get("path-style") == "true"
		o.Logger = logging.Nop{}
		o.DisableLogOutputChecksumValidationSkipped = true
		inner := o.HTTPClient
		o.HTTPClient = &guard{do: inner.Do, stall: l.stall}
	})
	bucket, err := s3blob.OpenBucket(ctx, client, u.Host, &s3blob.Options{RequestChecksumCalculation: cfg.RequestChecksumCalculation})
	if err != nil {
		return nil, err
	}
	return &cloud{
		bucket: bucket,
		noun:   "bucket",
		status: statusS3,
		startAfter: func(as func(any) bool, name string) {
			var in *s3.ListObjectsV2Input
			if as(&in) {
				in.StartAfter = aws.String(name)
			}
		},
		// s3blob looks first whether there is something to delete.
		remove: func(ctx context.Context, name string) error {
			_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(u.Host), Key: aws.String(name)})
			return err
		},
	}, nil
}

// haveCredentials looks for credentials now: later, their absence would look
// like a failure of the first request.
func haveCredentials(ctx context.Context, cfg aws.Config, l limits) error {
	ctx, cancel := context.WithTimeout(ctx, l.stall)
	defer cancel()
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return &driver.HintError{
			Err:  &Error{text: "no credentials for S3 were found", err: err},
			Hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile (?profile=NAME or AWS_PROFILE; log in first if it uses single sign-on), or give this machine a role",
		}
	}
	return nil
}

func statusS3(err error) answer {
	var a answer
	if re, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		a.status = re.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && a.status != 0 {
		a.code, a.message = api.ErrorCode(), api.ErrorMessage()
	}
	return a
}
