import FoundationEssentials
import Omniway

/// A folder of files that are known by what they contain.
struct Folder: Sendable {
    struct File: Sendable {
        let hash: ContentHash
        let size: Int
        let name: String

        /// A line of a list.
        var line: String { "\(hash) \(size) \(name)" }

        init(hash: ContentHash, size: Int, name: String) { (self.hash, self.size, self.name) = (hash, size, name) }

        /// Nil for a line that is none: it comes from another peer.
        init?(_ line: Substring) {
            let parts = line.split(separator: " ", maxSplits: 2)
            guard parts.count == 3, let hash = ContentHash(String(parts[0])), let size = Int(parts[1]), size >= 0 else {
                return nil
            }
            self.init(hash: hash, size: size, name: String(parts[2]))
        }
    }

    /// A message has a megabyte at most, and others want to speak too.
    static let pieceSize = 64 << 10

    let path: String
    private let files: [File]

    /// What is there now.
    init(_ path: String) throws {
        self.path = path
        files = try FileManager.default.contentsOfDirectory(atPath: path).sorted().map { name in
            let bytes = try Data(contentsOf: URL(filePath: "\(path)/\(name)"))
            return File(hash: ContentHash(of: Array(bytes)), size: bytes.count, name: name)
        }
    }

    var list: [UInt8] { Array(files.map(\.line).joined(separator: "\n").utf8) }

    static func files(in list: [UInt8]) -> [File] {
        String(decoding: list, as: UTF8.self).split(separator: "\n").compactMap { File($0) }
    }

    /// What a peer gets that asks for `hash offset`.
    func answer(to request: MeshRequest) -> MeshReply {
        let words = String(decoding: request.bytes, as: UTF8.self).split(separator: " ")
        guard request.method == "piece" else { return .unknownMethod }
        guard words.count == 2, let offset = Int(words[1]), let file = files.first(where: { "\($0.hash)" == words[0] }),
            0..<file.size ~= offset
        else { return .failed("there is no such piece") }
        do {
            // Only the pages of the piece are read.
            let bytes = try Data(contentsOf: URL(filePath: "\(path)/\(file.name)"), options: .mappedIfSafe)
            let end = min(offset + Self.pieceSize, bytes.count)
            return .bytes(Array(bytes[min(offset, end)..<end]))
        } catch { return .failed("\(file.name) cannot be read") }
    }
}
