package api

import (
	"encoding/binary"

	"concordat/js-apps/runtime"
)

var snpFunctions = []function{
	fn("verifySnpAttestation", 4, between(2, 4, impurely(verifySNP))),
}

// Names of the result of verifySnpAttestation.
var (
	nameAttestation  = runtime.NewName("attestation")
	nameUVM          = runtime.NewName("uvm_endorsements")
	nameDID          = runtime.NewName("did")
	nameFeed         = runtime.NewName("feed")
	nameSVN          = runtime.NewName("svn")
	namePlatformInfo = runtime.NewName("platform_info")
	// The C++ code has this name, the TypeScript declarations the right one.
	namePlatformInfoMisspelt = runtime.NewName("plaform_info")
)

// snpReportSize is the size of an attestation report.
const snpReportSize = 1184

func verifySNP(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	in := arguments{i: i, values: args}
	evidence, endorsements := in.bytes(0), in.bytes(1)
	var uvm []byte
	if in.given(2) {
		uvm = in.bytes(2)
	}
	var tcb *string
	if in.given(3) {
		text := in.text(3)
		tcb = &text
	}
	if in.failed {
		return runtime.Exception
	}
	if len(evidence) != snpReportSize {
		return i.Throw(runtime.RangeError, "Input SEV-SNP attestation report is not of expected size "+
			itoa(snpReportSize)+": "+itoa(len(evidence)))
	}
	v := of(i).call.host.SNP
	if v == nil {
		return i.Throw(runtime.RangeError, "SEV-SNP attestations cannot be verified here")
	}
	r, err := v.VerifySNP(evidence, endorsements, uvm, tcb)
	if err != nil {
		return i.Throw(runtime.RangeError, err.Error())
	}
	return snpResult(i, r)
}

func snpResult(i *runtime.Isolate, r *SNPResult) runtime.Value {
	obj := i.NewObject()
	if len(r.Attestation) == snpReportSize {
		i.Set(obj, nameAttestation, snpReport(i, r.Attestation))
	}
	if r.UVM != nil {
		uvm := i.NewObject()
		i.Set(uvm, nameDID, i.String(r.UVM.DID))
		i.Set(uvm, nameFeed, i.String(r.UVM.Feed))
		i.Set(uvm, nameSVN, i.String(r.UVM.SVN))
		i.Set(obj, nameUVM, uvm)
	}
	return obj
}

// snpField is one member of the report: bytes, or a number of 1, 4 or 8 bytes,
// or a TCB version.
type snpField struct {
	name   runtime.Name
	offset int
	size   int
	kind   snpKind
}

type snpKind uint8

const (
	snpBytes snpKind = iota
	snpNumber
	snpTCB
	snpPolicy
	snpPlatform
	snpFlags
	snpSignature
)

func snp(name string, offset, size int, kind snpKind) snpField {
	return snpField{runtime.NewName(name), offset, size, kind}
}

// snpLayout is the attestation report of the SEV-SNP firmware ABI, table
// ATTESTATION_REPORT, in the order CCF lists it.
var snpLayout = []snpField{
	snp("version", 0x000, 4, snpNumber), snp("guest_svn", 0x004, 4, snpNumber),
	snp("policy", 0x008, 8, snpPolicy),
	snp("family_id", 0x010, 16, snpBytes), snp("image_id", 0x020, 16, snpBytes),
	snp("vmpl", 0x030, 4, snpNumber), snp("signature_algo", 0x034, 4, snpNumber),
	snp("platform_version", 0x038, 8, snpTCB),
	snp("platform_info", 0x040, 8, snpPlatform), snp("flags", 0x048, 4, snpFlags),
	snp("report_data", 0x050, 64, snpBytes), snp("measurement", 0x090, 48, snpBytes),
	snp("host_data", 0x0C0, 32, snpBytes), snp("id_key_digest", 0x0E0, 48, snpBytes),
	snp("author_key_digest", 0x110, 48, snpBytes),
	snp("report_id", 0x140, 32, snpBytes), snp("report_id_ma", 0x160, 32, snpBytes),
	snp("reported_tcb", 0x180, 8, snpTCB),
	snp("cpuid_fam_id", 0x188, 1, snpNumber), snp("cpuid_mod_id", 0x189, 1, snpNumber),
	snp("cpuid_step", 0x18A, 1, snpNumber),
	snp("chip_id", 0x1A0, 64, snpBytes), snp("committed_tcb", 0x1E0, 8, snpTCB),
	snp("current_minor", 0x1E9, 1, snpNumber), snp("current_build", 0x1E8, 1, snpNumber),
	snp("current_major", 0x1EA, 1, snpNumber),
	snp("committed_build", 0x1EC, 1, snpNumber), snp("committed_minor", 0x1ED, 1, snpNumber),
	snp("committed_major", 0x1EE, 1, snpNumber),
	snp("launch_tcb", 0x1F0, 8, snpTCB), snp("signature", 0x2A0, 144, snpSignature),
}

func snpReport(i *runtime.Isolate, report []byte) runtime.Value {
	obj := i.NewObject()
	for _, f := range snpLayout {
		b := report[f.offset : f.offset+f.size]
		switch f.kind {
		case snpBytes:
			i.Set(obj, f.name, i.NewBuffer(b))
		case snpNumber:
			i.Set(obj, f.name, runtime.Int64(int64(little(b))))
		case snpPlatform:
			v := snpBits(i, little(b), snpPlatformBits)
			i.Set(obj, namePlatformInfoMisspelt, v)
			i.Set(obj, namePlatformInfo, runtime.Dup(v))
		case snpPolicy:
			i.Set(obj, f.name, snpBits(i, little(b), snpPolicyBits))
		case snpFlags:
			i.Set(obj, f.name, snpBits(i, little(b), snpFlagBits))
		case snpTCB:
			i.Set(obj, f.name, snpBits(i, little(b), snpTCBBits))
		case snpSignature:
			v := i.NewObject()
			i.Set(v, nameSignatureR, i.NewBuffer(b[:72]))
			i.Set(v, nameSignatureS, i.NewBuffer(b[72:]))
			i.Set(obj, f.name, v)
		}
	}
	return obj
}

var (
	nameSignatureR = runtime.NewName("r")
	nameSignatureS = runtime.NewName("s")
)

// bitField is a run of bits of a little-endian number.
type bitField struct {
	name  runtime.Name
	shift int
	width int
}

func bitsAt(name string, shift, width int) bitField {
	return bitField{runtime.NewName(name), shift, width}
}

var (
	snpPolicyBits = []bitField{
		bitsAt("abi_minor", 0, 8), bitsAt("abi_major", 8, 8), bitsAt("smt", 16, 1),
		bitsAt("migrate_ma", 18, 1), bitsAt("debug", 19, 1), bitsAt("single_socket", 20, 1),
	}
	snpPlatformBits = []bitField{bitsAt("smt_en", 0, 1), bitsAt("tsme_en", 1, 1)}
	snpFlagBits     = []bitField{bitsAt("author_key_en", 0, 1), bitsAt("mask_chip_key", 1, 1), bitsAt("signing_key", 2, 3)}
	snpTCBBits      = []bitField{bitsAt("boot_loader", 0, 8), bitsAt("tee", 8, 8), bitsAt("snp", 48, 8), bitsAt("microcode", 56, 8)}
)

func snpBits(i *runtime.Isolate, n uint64, fields []bitField) runtime.Value {
	obj := i.NewObject()
	for _, f := range fields {
		i.Set(obj, f.name, runtime.Int64(int64(n>>f.shift&(1<<f.width-1))))
	}
	return obj
}

func little(b []byte) uint64 {
	var whole [8]byte
	copy(whole[:], b)
	return binary.LittleEndian.Uint64(whole[:])
}
