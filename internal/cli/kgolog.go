package cli

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaLog hands the Kafka client's log to ours. What the client calls a
// warning is a retry that it deals with itself, so its levels count one less:
// quiet when healthy.
type kafkaLog struct{ log *slog.Logger }

var _ kgo.Logger = kafkaLog{}

// Level implements kgo.Logger.
func (k kafkaLog) Level() kgo.LogLevel {
	switch ctx := context.Background(); {
	case k.log.Enabled(ctx, slog.LevelDebug):
		return kgo.LogLevelDebug
	case k.log.Enabled(ctx, slog.LevelInfo):
		return kgo.LogLevelWarn
	default:
		return kgo.LogLevelNone
	}
}

// Log implements kgo.Logger.
func (k kafkaLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelDebug
	if level == kgo.LogLevelWarn || level == kgo.LogLevelError {
		to = slog.LevelInfo
	}
	k.log.Log(context.Background(), to, "kafka client", append([]any{"message", msg}, keyvals...)...)
}
