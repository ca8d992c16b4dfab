package vhost

// Features of the device (virtio 1.2, 5.1.3 and 6; linux/virtio_net.h).
const (
	featCsum        = 1 << 0 // the guest sends frames without a checksum
	featGuestCsum   = 1 << 1 // and takes such
	featMTU         = 1 << 3
	featGuestTSO4   = 1 << 7 // it takes super-frames
	featGuestTSO6   = 1 << 8
	featGuestECN    = 1 << 9
	featHostTSO4    = 1 << 11 // it sends super-frames
	featHostTSO6    = 1 << 12
	featHostECN     = 1 << 13
	featMergeable   = 1 << 15 // a frame may lie in several chains
	featAnyLayout   = 1 << 27
	featIndirect    = 1 << 28
	featEventIndex  = 1 << 29
	featProtocol    = 1 << 30 // of vhost-user: there are protocol features
	featVersion1    = 1 << 32
	featGuestUSO4   = 1 << 54
	featGuestUSO6   = 1 << 55
	featHostUSO     = 1 << 56
	featUSO         = featGuestUSO4 | featGuestUSO6
	offeredFeatures = featCsum | featGuestCsum | featMTU | featGuestTSO4 | featGuestTSO6 | featGuestECN |
		featHostTSO4 | featHostTSO6 | featHostECN | featMergeable | featAnyLayout | featIndirect | featEventIndex |
		featProtocol | featVersion1 | featUSO | featHostUSO
)

// Features of the protocol (vhost-user, "Protocol features").
const (
	protocolMQ          = 1 << 0
	protocolReplyAck    = 1 << 3
	protocolMTU         = 1 << 4
	protocolResetDevice = 1 << 13
	protocolMemorySlots = 1 << 15
	offeredProtocol     = protocolMQ | protocolReplyAck | protocolMTU | protocolResetDevice | protocolMemorySlots
)
