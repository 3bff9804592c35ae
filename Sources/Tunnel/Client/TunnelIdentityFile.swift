import OmniwayTelemetry
public import OmniwayTransport
import OmniwayWire

/// Where a client keeps who it is: `client.json`, and what was written there before under the name `node.json`. The
/// certificates of its nodes are kept beside that.
///
/// What is in the file besides stays in it. Reading and writing block, so not on a loop.
public struct TunnelIdentityFile: Sendable {
    public let path: String
    /// Read when there is no file at `path`.
    public let olderPath: String?
    /// Changes are read, changed and written by one at a time.
    private static let changing = Lock(())

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
        try change { object in
            object["terminalId"] = .string(identity.client)
            object["token"] = .string(identity.token)
            object["TunnelId"] = .string(identity.tunnel)
            object["AuthCode"] = .string(identity.authCode)
        }
    }

    /// Nodes that the file names; none when it says nothing of them.
    public func nodes() throws(TunnelIdentityFileError) -> [String] {
        let object = try object(at: path)
        if case .array(let list)? = object?["nodes"] {
            return list.compactMap { if case .string(let node) = $0 { node } else { nil } }
        }
        // As the original has it.
        if case .string(let node)? = object?["nodeAddr"], !node.isEmpty { return [node] }
        return []
    }

    /// Names the nodes, so that others who use the file find them.
    public func save(nodes: [String]) throws(TunnelIdentityFileError) {
        try change { $0["nodes"] = .array(nodes.map { .string($0) }) }
    }

    /// Targets that may be reached, as the file says; nil when it says nothing of them.
    public func allowTargets() throws(TunnelIdentityFileError) -> [TargetAllowance]? {
        guard case .array(let list)? = try object(at: path)?["allowTargets"] else { return nil }
        var allowances: [TargetAllowance] = []
        for entry in list {
            guard case .string(let text) = entry, let allowance = TargetAllowance(text) else {
                throw .malformed(path, "allowTargets has \(entry), which is none such as tcp://10.0.0.0/8:22")
            }
            allowances.append(allowance)
        }
        return allowances
    }

    /// The certificate that a node has shown the first time; nil before that.
    public func pin(of node: TunnelNodeAddress) throws(TunnelIdentityFileError) -> TLSFingerprint? {
        guard let text = try note("pins", node.name) else { return nil }
        guard let fingerprint = TLSFingerprint(text) else { throw .malformed(path, "the pin of \(node.name) is none") }
        return fingerprint
    }

    /// Keeps a node's certificate; with nil the next one is taken as the first was.
    public func pin(_ fingerprint: TLSFingerprint?, of node: TunnelNodeAddress) throws(TunnelIdentityFileError) {
        try note(fingerprint?.description, "pins", node.name)
    }

    /// A word that is kept beside the identity.
    package func note(_ group: String, _ name: String) throws(TunnelIdentityFileError) -> String? {
        guard case .object(let notes)? = try object(at: path)?[group], case .string(let text)? = notes[name] else {
            return nil
        }
        return text
    }

    package func note(_ text: String?, _ group: String, _ name: String) throws(TunnelIdentityFileError) {
        try change { object in
            var notes = JSON.Object()
            if case .object(let known)? = object[group] { notes = known }
            notes[name] = text.map { .string($0) }
            object[group] = notes.isEmpty ? nil : .object(notes)
        }
    }

    private func change(_ body: (inout JSON.Object) -> Void) throws(TunnelIdentityFileError) {
        try Self.changing.withLock { _ throws(TunnelIdentityFileError) in
            var object = try object(at: path) ?? JSON.Object()
            body(&object)
            let bytes = JSON.Writer(layout: .indented(2)).bytes(of: .object(object))
            do throws(SystemError) { try PrivateFile.write(bytes, to: path) } catch { throw .unwritable(path, error) }
        }
    }

    private func object(at path: String) throws(TunnelIdentityFileError) -> JSON.Object? {
        let bytes: [UInt8]
        do throws(SystemError) {
            guard let found = try PrivateFile.read(path) else { return nil }
            bytes = found
        } catch { throw .unreadable(path, error) }
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
