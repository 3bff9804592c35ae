import OmniwayTesting
import OmniwayWire

/// Bytes that a file writes as hexadecimal digits.
struct Hex: Decodable, Equatable {
    let bytes: [UInt8]

    init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let bytes = Vectors.bytes(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "no hex: \(text)"))
        }
        self.bytes = bytes
    }
}

extension ShortBytes {
    var array: [UInt8] { bytes.array(0..<count) }
}

let generousLimits = JSON.Reader.Limits(bytes: 1 << 16, depth: 64, values: 1 << 12)
