// Package bustest is for tests of whatever attaches to a bus: fake endpoints,
// a fake policy, and two suites that say what every policy and every endpoint
// must do.
//
//   - Recorder takes every frame at once, Sink never takes one (they queue),
//     Puller takes as many as it was asked to, like reads that wait. Driver
//     speaks a form (frame.Form) as a socket or a device does. Events subscribes to
//     a network and remembers.
//   - Mirror follows a policy (policy.Feeder) and decides as it does, like a fast
//     path in the kernel.
//   - Fake is a policy with all optional parts, registered as "fake".
//   - TestPolicy and TestEndpoint run the suites (policy.go, endpoint.go). A
//     suite is a list of checks that return an error, so that the tests of
//     this package can show that each check finds what it is for.
//   - lab.go has the network that a check works on, mark.go the frames whose
//     sender and order can be told when they arrive.
//
// All fakes are safe for concurrent use.
package bustest
