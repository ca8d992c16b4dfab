// Package frame is bytes on their way, and knows no network: frames, the pooled
// memory that holds them, the batches and queues in which they travel, and what
// may be done to one (Edit) or said of one (Drop).
package frame
