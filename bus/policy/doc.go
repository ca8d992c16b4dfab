// Package policy is the contract of a policy, and all that its author needs of the
// network: what it is asked (Policy and its optional parts), what it answers
// (Egress), what it may use (Env, Port), and how it becomes known (Register). The
// frames are package frame's, and the errors package fail's.
package policy
