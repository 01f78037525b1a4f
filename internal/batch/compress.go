package batch

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// MaxDecompressed bounds the size in bytes of one batch after decompression:
// 256 MiB, far above any sensible max.message.bytes. A batch above it is an
// error and not an exhausted memory.
const MaxDecompressed = 256 << 20

// ErrTooLarge is wrapped by the error about a batch above MaxDecompressed.
var ErrTooLarge = errors.New("batch decompresses to more than 256 MiB")

// decompressor is the one that everything here uses.
var decompressor = sync.OnceValues(func() (kgo.Decompressor, error) { return newDecompressor(MaxDecompressed) })

// newDecompressor returns kgo's own one with a bound. kgo.DefaultDecompressor
// alone is bounded at 2 GiB, and only a client sets another bound
// (kgo.MaxDecompressBatchBytes); so one is made, asked for its decompressor
// and closed. It dials nobody: a client dials with its first request.
func newDecompressor(limit int) (kgo.Decompressor, error) {
	cl, err := kgo.NewClient(kgo.MaxDecompressBatchBytes(limit))
	if err != nil {
		return nil, fmt.Errorf("making a decompressor: %w", err)
	}
	defer cl.Close()
	d, ok := cl.OptValue(kgo.WithDecompressor).(kgo.Decompressor)
	if !ok {
		return nil, errors.New("making a decompressor: the Kafka client has none")
	}
	return d, nil
}

// decompress undoes a codec. Without one it returns src itself.
func decompress(src []byte, codec Codec) ([]byte, error) {
	if codec == None {
		return src, nil
	}
	d, err := decompressor()
	if err != nil {
		return nil, err
	}
	out, err := d.Decompress(src, kgo.CompressionCodecType(codec))
	if errors.Is(err, kgo.ErrMaxDecompress) {
		return nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return out, err
}

// compressors has one compressor per codec for everything here: each keeps a
// pool of encoders, and an encoder of zstd alone is several MiB.
var compressors = map[Codec]func() (kgo.Compressor, error){
	Gzip:   sync.OnceValues(func() (kgo.Compressor, error) { return kgo.DefaultCompressor(kgo.GzipCompression()) }),
	Snappy: sync.OnceValues(func() (kgo.Compressor, error) { return kgo.DefaultCompressor(kgo.SnappyCompression()) }),
	LZ4:    sync.OnceValues(func() (kgo.Compressor, error) { return kgo.DefaultCompressor(kgo.Lz4Compression()) }),
	Zstd:   sync.OnceValues(func() (kgo.Compressor, error) { return kgo.DefaultCompressor(kgo.ZstdCompression()) }),
}

// compress applies a codec with its default level.
func compress(src []byte, codec Codec) ([]byte, error) {
	if codec == None {
		return src, nil
	}
	compressor, ok := compressors[codec]
	if !ok {
		return nil, fmt.Errorf("unknown compression codec %d", codec)
	}
	c, err := compressor()
	if err != nil {
		return nil, fmt.Errorf("making a %s compressor: %w", codec, err)
	}
	out, used := c.Compress(new(bytes.Buffer), src)
	if Codec(used) != codec {
		return nil, fmt.Errorf("compressing %d bytes with %s did not work", len(src), codec)
	}
	return out, nil
}
