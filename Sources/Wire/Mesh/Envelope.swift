/// What is inside a message to everybody, with the signature of who sent it.
package enum Envelope: Equatable, Sendable {
    case application(topic: String, [UInt8])
    /// Who is this? It answers.
    case find(NodeID)
    case findName(String)

    private static let domain = Array("omniway mesh 2: a message to everybody".utf8)
    private static let signatureSize = 64

    /// Its bytes; with an identity also the signature of whose message it is.
    package func bytes(signedBy identity: NodeIdentity?, as id: GossipID) -> [UInt8] {
        var bytes: [UInt8]
        switch self {
        case .application(let topic, let payload): bytes = [0, UInt8(topic.utf8.count)] + topic.utf8 + payload
        case .find(let node): bytes = [1] + node.bytes
        case .findName(let name): bytes = [2] + name.utf8
        }
        if let identity { bytes += identity.signature(of: Self.signed(id, bytes[...])) }
        return bytes
    }

    /// Nil for bytes that are none. Whether the signature is right is asked before.
    package init?(_ bytes: [UInt8], isSigned: Bool) {
        var rest = bytes[...]
        if isSigned {
            guard rest.count > Self.signatureSize else { return nil }
            rest = rest.dropLast(Self.signatureSize)
        }
        guard let kind = rest.popFirst() else { return nil }
        switch kind {
        case 0:
            guard let count = rest.popFirst(), rest.count >= count,
                let topic = String(validating: rest.prefix(Int(count)), as: UTF8.self)
            else { return nil }
            self = .application(topic: topic, Array(rest.dropFirst(Int(count))))
        case 1:
            guard let node = NodeID(Array(rest)) else { return nil }
            self = .find(node)
        case 2:
            guard 1...MeshContact.longest ~= rest.count, let name = String(validating: rest, as: UTF8.self) else {
                return nil
            }
            self = .findName(name)
        default: return nil
        }
    }

    package static func isSigned(_ bytes: [UInt8], as id: GossipID) -> Bool {
        guard bytes.count > signatureSize else { return false }
        return id.origin.verifies(Array(bytes.suffix(signatureSize)), of: signed(id, bytes.dropLast(signatureSize)))
    }

    private static func signed(_ id: GossipID, _ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var writer = MeshWriter()
        writer.bytes += domain
        writer.write(id)
        writer.bytes += bytes
        return writer.bytes
    }
}
