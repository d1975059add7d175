// SPDX-License-Identifier: MIT
// The few calls of CUDA by which streams of one GPU wait for each other, and by which their work is recorded.
#ifndef HEDDLE_LESSON_25_STREAMS_H
#define HEDDLE_LESSON_25_STREAMS_H
#ifdef __cplusplus
extern "C" {
#endif
void *stream_new(void);
void stream_free(void *stream);
void *event_new(void);
void event_free(void *event);
void event_record(void *event, void *stream);  // when all work issued to the stream so far is done
void stream_await(void *stream, void *event);  // what is issued to the stream from now on waits for that

// What is issued between the two to this stream, and to those that wait for it and that it waits for in the
// end, is not run but recorded, as a CUDA graph. A recording can be run as often as wanted.
void recording_begin(void *stream);
void *recording_end(void *stream);
void recording_run(void *recording, void *stream);
void recording_free(void *recording);
#ifdef __cplusplus
}
#endif
#endif
