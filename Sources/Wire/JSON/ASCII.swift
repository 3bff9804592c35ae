// Bytes compared with characters, so that a grammar reads as its specification: `case "0"..."9":`.

func == (byte: UInt8, character: Unicode.Scalar) -> Bool { UInt32(byte) == character.value }
func != (byte: UInt8, character: Unicode.Scalar) -> Bool { UInt32(byte) != character.value }
func ~= (character: Unicode.Scalar, byte: UInt8) -> Bool { UInt32(byte) == character.value }
func ~= (characters: ClosedRange<Unicode.Scalar>, byte: UInt8) -> Bool {
    characters.lowerBound.value <= UInt32(byte) && UInt32(byte) <= characters.upperBound.value
}
func == (byte: UInt8?, character: Unicode.Scalar) -> Bool { byte.map { $0 == character } ?? false }

extension [UInt8] {
    mutating func append(_ character: Unicode.Scalar) { append(UInt8(ascii: character)) }
}
