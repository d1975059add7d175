// SPDX-License-Identifier: MIT
// The few calls of CUDA by which streams of one GPU wait for each other.
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
#ifdef __cplusplus
}
#endif
#endif
