package stream

import (
	"errors"

	"ipnfs/bus/frame"
)

// Why Append did not append a frame.
var (
	ErrRoom = errors.New("the buffer has no room for the frame")
	ErrForm = errors.New("the frame cannot have the form of the stream")
)

// Append appends f to dst as a stream of a form has it, its head in front, for who sends
// bytes otherwise than by a descriptor. It does not grow dst: if that has not the
// capacity the error is ErrRoom, and f is to come again when dst was sent. If f cannot
// have the form (frame.Frame.PutHead) it is ErrForm, and f is lost. dst is returned as it
// was then.
func Append(dst []byte, form frame.Form, f *frame.Frame) ([]byte, error) {
	at, head := len(dst), form.HeadLen()
	if cap(dst)-at < head+f.Len() {
		return dst, ErrRoom
	}
	if !f.PutHead(dst[at:at+head], form, 0) {
		return dst, ErrForm
	}
	return append(dst[:at+head], f.Data()...), nil
}
