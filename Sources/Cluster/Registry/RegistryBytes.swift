/// A key or a value of a registry: any bytes, written as a text where they are one.
///
/// ```swift
/// let key: RegistryBytes = "servers/room/\(id)"
/// ```
///
/// Keys are ordered byte by byte.
public struct RegistryBytes: Sendable, Hashable, Comparable {
    public let bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }
    public init(_ text: String) { bytes = Array(text.utf8) }

    public var count: Int { bytes.count }
    public var isEmpty: Bool { bytes.isEmpty }
    /// The bytes as text; what is not UTF-8 becomes a replacement character.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    public func hasPrefix(_ prefix: RegistryBytes) -> Bool { bytes.starts(with: prefix.bytes) }
    /// What follows the prefix; nil when it does not begin with it.
    public func after(_ prefix: RegistryBytes) -> RegistryBytes? {
        hasPrefix(prefix) ? RegistryBytes(Array(bytes.dropFirst(prefix.count))) : nil
    }

    public static func < (a: RegistryBytes, b: RegistryBytes) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
    public static func + (a: RegistryBytes, b: RegistryBytes) -> RegistryBytes { RegistryBytes(a.bytes + b.bytes) }
}

extension RegistryBytes: ExpressibleByStringInterpolation {
    public init(stringLiteral text: String) { self.init(text) }
}

extension RegistryBytes: CustomStringConvertible {
    public var description: String { text }
}

/// Which keys are meant: one, or all that begin with a prefix.
public enum RegistryKeys: Sendable, Hashable {
    case key(RegistryBytes)
    /// An empty prefix means all keys.
    case prefix(RegistryBytes)

    public func contains(_ key: RegistryBytes) -> Bool {
        switch self {
        case .key(let only): key == only
        case .prefix(let prefix): key.hasPrefix(prefix)
        }
    }

    /// The key, or the prefix.
    var first: RegistryBytes {
        switch self {
        case .key(let key): key
        case .prefix(let prefix): prefix
        }
    }

    /// The smallest key above all that begin with the prefix; nil when there is none.
    static func end(of prefix: RegistryBytes) -> RegistryBytes? {
        var bytes = prefix.bytes
        while let last = bytes.popLast() {
            if last < 0xff { return RegistryBytes(bytes + [last + 1]) }
        }
        return nil
    }
}
