import Glibc
public import OmniwayTransport
import OmniwayWire

/// Where a client keeps who it is: `client.json`, and what was written there before under the name `node.json`.
///
/// What is in the file besides stays in it. Reading and writing block, so not on a loop.
public struct TunnelIdentityFile: Sendable {
    public let path: String
    /// Read when there is no file at `path`.
    public let olderPath: String?
    private static let most = 1 << 20

    public init(_ path: String = "client.json", older: String? = "node.json") { (self.path, olderPath) = (path, older) }

    /// Nil when there is no file, or none with an identity. A file that cannot be read is an error: a client that took
    /// it for none would become somebody else.
    public func load() throws(TunnelIdentityFileError) -> TunnelIdentity? {
        if let object = try object(at: path) { return try identity(object, path) }
        guard let olderPath, let object = try object(at: olderPath) else { return nil }
        return try identity(object, olderPath)
    }

    private func identity(_ object: JSON.Object, _ path: String) throws(TunnelIdentityFileError) -> TunnelIdentity? {
        do throws(TunnelRefusal) {
            let reader = try MemberReader(.object(object))
            let (client, token) = (try reader.text("terminalId"), try reader.text("token"))
            guard !client.isEmpty, !token.isEmpty else { return nil }
            guard client.isTunnelID else { throw reader.bad("terminalId") }
            return TunnelIdentity(
                client: client, token: token, tunnel: try reader.text("TunnelId"),
                authCode: try reader.text("AuthCode"))
        } catch { throw .malformed(path, error.words) }
    }

    /// Puts it there, whole or not at all, for the eyes of its owner alone.
    public func save(_ identity: TunnelIdentity) throws(TunnelIdentityFileError) {
        var object = try object(at: path) ?? JSON.Object()
        object["terminalId"] = .string(identity.client)
        object["token"] = .string(identity.token)
        object["TunnelId"] = .string(identity.tunnel)
        object["AuthCode"] = .string(identity.authCode)
        let bytes = JSON.Writer(layout: .indented(2)).bytes(of: .object(object))
        let draft = "\(path).\(getpid())"
        do throws(SystemError) { try write(bytes, by: draft) } catch {
            unsafe unlink(draft)  // Safe because the call reads the path to its end.
            throw .unwritable(path, error)
        }
    }

    private func write(_ bytes: [UInt8], by draft: String) throws(SystemError) {
        // Safe because the calls read the paths to their ends, and no more bytes than there are.
        unsafe unlink(draft)  // Left by an earlier process of the same number.
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let descriptor = unsafe open(draft, flags, 0o600)
        guard descriptor >= 0 else { throw SystemError(number: errno) }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SystemError(number: errno) }
            rest = rest.dropFirst(count)
        }
        // Without this a power failure could leave an empty file under the right name.
        guard fsync(descriptor) == 0, unsafe rename(draft, path) == 0 else { throw SystemError(number: errno) }
    }

    private func object(at path: String) throws(TunnelIdentityFileError) -> JSON.Object? {
        // Safe because the calls read the path to its end, and fill no more than they are told.
        let descriptor = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .unreadable(path, SystemError(number: errno))
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count <= Self.most {
            let count = unsafe Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw .unreadable(path, SystemError(number: errno)) }
            if count == 0 { break }
            bytes += piece[..<count]
        }
        let json: JSON
        do throws(JSON.ReadError) { json = try JSON.Reader.go.read(bytes) } catch { throw .malformed(path, "\(error)") }
        guard case .object(let object) = json else { throw .malformed(path, "it is no JSON object") }
        return object
    }
}

/// Why an identity was not read, or not kept.
public enum TunnelIdentityFileError: Error, Sendable, CustomStringConvertible {
    case unreadable(String, SystemError)
    case unwritable(String, SystemError)
    case malformed(String, String)

    public var description: String {
        switch self {
        case .unreadable(let path, let error): "cannot read \(path): \(error); give this process the right to"
        case .unwritable(let path, let error): "cannot write \(path): \(error); the identity would be lost"
        case .malformed(let path, let what):
            "\(path) holds no identity: \(what); repair it, or delete it to become a new client"
        }
    }
}
