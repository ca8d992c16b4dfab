package main

// The policies of this build. A smaller build is an edit of this file.
import _ "ipnfs/policies/broadcast"
