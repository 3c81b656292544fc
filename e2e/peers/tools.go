//go:build tools

// Package peers pins the Lightning and chain daemons that the interop runs talk to.
package peers

import (
	_ "github.com/btcsuite/btcd"
	_ "github.com/lightningnetwork/lnd/cmd/lncli"
	_ "github.com/lightningnetwork/lnd/cmd/lnd"
)
