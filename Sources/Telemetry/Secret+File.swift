import Glibc

extension Secret {
    /// The lines of a file, without empty ones at its end: a place for secrets that command lines do not show.
    public static func lines(of path: String) throws(SecretFileError) -> [Secret] {
        guard let file = unsafe fopen(path, "re") else { throw SecretFileError(path: path, number: errno) }
        defer { unsafe fclose(file) }
        var bytes = [UInt8](repeating: 0, count: most + 1)
        let count = unsafe fread(&bytes, 1, bytes.count, file)
        if unsafe ferror(file) != 0 { throw SecretFileError(path: path, number: errno) }
        if count > most { throw SecretFileError(path: path, number: EFBIG) }
        var lines = bytes[..<count].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { Secret(String(decoding: $0, as: UTF8.self)) }
    }

    private static let most = 64 << 10
}

/// A file of secrets that cannot be read.
public struct SecretFileError: Error, Equatable, CustomStringConvertible {
    /// The file that was asked for.
    public let path: String
    let number: Int32

    /// What happened, and to which file.
    public var description: String { unsafe "cannot read \(path): \(String(cString: strerror(number)))" }
}
