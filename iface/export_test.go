package iface

// CheckWitnesses is what is done twice a second.
func CheckWitnesses() { checkWitnesses() }
