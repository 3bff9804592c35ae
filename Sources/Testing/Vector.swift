import FoundationEssentials

/// Bytes recorded from an original program, and what they mean.
public struct Vector: Codable, Sendable, CustomStringConvertible {
    public let name: String
    public let direction: String
    public let hex: String
    public let meaning: String

    public var description: String { name }
    /// An entry whose hex is abbreviated is documentation and has no bytes.
    public var isDocumentation: Bool { hex.contains("...") }
    public var bytes: [UInt8] { Vectors.bytes(hex) ?? [] }

    private struct File: Codable { let vectors: [Vector] }

    /// The vectors of `Tests/Vectors/<name>.json` that have bytes.
    public static func load(_ name: String, from test: String = #filePath) throws -> [Vector] {
        try Vectors.decode(File.self, from: name, test: test).vectors.filter { !$0.isDocumentation }
    }
}

/// Files of recorded bytes, for tests that know their shape.
public enum Vectors {
    /// Decodes `Tests/Vectors/<name>.json`, found from the place of the test that asks.
    public static func decode<T: Decodable>(_ type: T.Type, from name: String, test: String = #filePath) throws -> T {
        let folders = test.split(separator: "/", omittingEmptySubsequences: false)
        guard let tests = folders.lastIndex(of: "Tests") else { throw VectorError.notFound(name, test) }
        let path = folders[...tests].joined(separator: "/") + "/Vectors/\(name).json"
        guard let data = FileManager.default.contents(atPath: path) else { throw VectorError.notFound(name, path) }
        return try JSONDecoder().decode(type, from: data)
    }

    /// Nil when the text is not pairs of hexadecimal digits.
    public static func bytes(_ hex: String) -> [UInt8]? {
        let digits = hex.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count == hex.utf8.count, digits.count.isMultiple(of: 2) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}

public enum VectorError: Error, CustomStringConvertible {
    case notFound(String, String)
    public var description: String {
        switch self {
        case .notFound(let name, let path): "no vectors \(name): looked at \(path); copy the file into Tests/Vectors"
        }
    }
}
