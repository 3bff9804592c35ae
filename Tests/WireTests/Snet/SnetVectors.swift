import OmniwayCrypto
import OmniwayTesting

@testable import OmniwayWire

/// The conversations of one dialect that were recorded from its reference.
struct SnetFile: Decodable {
    let cases: [SnetCase]

    static func load(_ dialect: SnetDialect) throws -> [SnetCase] {
        try Vectors.decode(SnetFile.self, from: dialect == .a ? "gateway-snet-A" : "gateway-snet-B").cases
    }
}

struct SnetCase: Decodable, CustomStringConvertible {
    let dialect: String
    let `case`: String
    let params: [String: String]
    let vectors: [Vector]

    var description: String { "\(dialect) \(`case`)" }
    var snet: SnetDialect { dialect == "A" ? .a : .b }
    var encrypts: Bool { params["enableCrypt"] == "true" }
    var ring: Int { params["rewriterBufferSize"].flatMap { Int($0) } ?? 0 }

    func number(_ name: String) -> UInt64 { params[name].flatMap { UInt64($0.dropFirst(2), radix: 16) } ?? 0 }

    /// The bytes of one step; several vectors that belong together one after the other.
    func bytes(_ names: String...) -> [UInt8] {
        names.flatMap { name in vectors.first { $0.name == name }?.bytes ?? [] }
    }
}

extension [UInt8] {
    /// Reads with a body that is given a reader.
    func read<R, E: Error>(_ body: (inout ByteReader) throws(E) -> R) throws(E) -> (result: R, used: Int) {
        var reader = ByteReader(unsafe span.bytes)
        let result = try body(&reader)
        return (result, reader.offset)
    }
}

extension SnetStream {
    /// What a carrier is given for these bytes.
    mutating func sends(_ bytes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        var rest = unsafe bytes.span.bytes
        while !rest.isEmpty {
            let count = write(rest)
            rest = rest.extracting(droppingFirst: count)
            out += takeUnsent()
        }
        return out
    }

    mutating func takeUnsent() -> [UInt8] {
        var out: [UInt8] = []
        while hasUnsent {
            let before = out.count
            unsafe unsent.withUnsafeBytes { unsafe out.append(contentsOf: $0) }
            wasSent(out.count - before)
        }
        return out
    }

    /// What is delivered of bytes that a carrier brings.
    mutating func receives(_ bytes: [UInt8]) -> [UInt8] {
        var rest = Array(bytes.dropFirst(dropKnown(bytes.count)))
        var span = rest.mutableSpan
        take(&span)
        return rest
    }
}

extension SnetCase {
    /// What the bytes of these steps say, from a position of the key stream on.
    func clear(_ names: String..., keyStreamFrom position: Int) -> [UInt8] {
        var bytes = names.flatMap { self.bytes($0) }
        guard encrypts else { return bytes }
        var cipher = RC4(key: number("sharedSecret").littleEndianBytes)
        cipher.skip(position)
        var span = bytes.mutableSpan
        cipher.apply(to: &span)
        return bytes
    }
}
