package jscrypto

import (
	"encoding/binary"
	"encoding/hex"
)

// Sizes of the two hexadecimal arguments of tcbHexToPolicy, in bytes.
const (
	cpuidBytes = 4
	tcbBytes   = 8
)

// Processor families of AMD SEV-SNP, as CPUID reports them.
const (
	familyZen34 = 0x19 // Milan is model 1, Genoa is model 0x11
	familyZen5  = 0x1A // Turin is model 1
)

// TCBHexToPolicy splits an SEV-SNP TCB version (AMD SEV-SNP ABI, TCB_VERSION)
// into components, by the layout of the processor that cpuidHex names. Its
// failures are C++ exceptions in CCF, hence HostError.
func TCBHexToPolicy(cpuidHex, tcbHex string) (TCBPolicy, error) {
	cpuid, err := decodeHex(cpuidHex, cpuidBytes)
	if err != nil {
		return TCBPolicy{}, err
	}
	tcb, err := decodeHex(tcbHex, tcbBytes)
	if err != nil {
		return TCBPolicy{}, err
	}
	family, model := familyModel(binary.BigEndian.Uint32(cpuid))
	at := func(i int) *uint8 { return &tcb[tcbBytes-1-i] } // byte i of the little-endian structure
	policy := TCBPolicy{Hexstring: hex.EncodeToString(tcb)}
	switch {
	case family == familyZen34 && (model == 0x01 || model == 0x11):
		policy.BootLoader, policy.TEE, policy.SNP, policy.Microcode = at(0), at(1), at(6), at(7)
	case family == familyZen5 && model == 0x01:
		policy.FMC, policy.BootLoader, policy.TEE, policy.SNP, policy.Microcode = at(0), at(1), at(2), at(3), at(7)
	default:
		return TCBPolicy{}, hostErrorf("SEV-SNP: Unsupported CPUID family %d model %d", family, model)
	}
	return policy, nil
}

// familyModel decodes EAX of CPUID leaf 1: extended family adds to the base
// family, extended model is the high half of the model.
func familyModel(eax uint32) (family, model uint32) {
	return (eax>>8)&0xf + (eax>>20)&0xff, (eax>>4)&0xf | (eax>>12)&0xf0
}

func decodeHex(s string, size int) ([]byte, error) {
	if len(s)%2 != 0 {
		return nil, hostErrorf("Input string '%s' is not of even length: %d", s[:min(len(s), maxQuotedText)], len(s))
	}
	if len(s)/2 != size {
		return nil, hostErrorf("Output container of size %d cannot fit decoded hex str %d", size, len(s)/2)
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, hostErrorf("Input string '%s' is not valid hex", s)
	}
	return b, nil
}
