import FoundationEssentials

/// A file of the package, by its path from the root.
struct SourceFile {
    let path: String
    let text: String

    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    var name: Substring { path.split(separator: "/").last ?? "" }
    var isSwift: Bool { path.hasSuffix(".swift") }

    /// The lines without comments and without what stands in simple string literals.
    var code: [String] {
        text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
            var code: [UInt8] = []
            var inString = false
            var previous = UInt8(ascii: " ")
            for byte in line {
                if byte == UInt8(ascii: "\""), previous != UInt8(ascii: "\\") { inString.toggle() }
                if !inString, byte == UInt8(ascii: "/"), previous == byte {
                    code.removeLast()
                    break
                }
                if !inString { code.append(byte) }
                previous = byte
            }
            return String(decoding: code, as: UTF8.self)
        }
    }
}

enum SourceTree {
    static let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(
        separator: "/")

    /// All files below the given folders of the package, in the order of their paths.
    static func files(in folders: String...) throws -> [SourceFile] {
        var found: [SourceFile] = []
        for folder in folders { try collect(folder, &found) }
        return found
    }

    private static func collect(_ path: String, _ found: inout [SourceFile]) throws {
        let manager = FileManager.default
        var isFolder = false
        guard manager.fileExists(atPath: root + "/" + path, isDirectory: &isFolder) else { return }
        if isFolder {
            for name in try manager.contentsOfDirectory(atPath: root + "/" + path).sorted() where !name.hasPrefix(".") {
                try collect(path + "/" + name, &found)
            }
        } else if let data = manager.contents(atPath: root + "/" + path), let text = String(data: data, encoding: .utf8)
        {
            found.append(SourceFile(path: path, text: text))
        }
    }
}
