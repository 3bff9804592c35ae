import OmniwayCrypto

/// A node's own key pair. Whoever has the secret is the node. As text it is its id.
public struct NodeIdentity: Sendable, CustomStringConvertible {
    public let id: NodeID
    private let secret: [UInt8]

    /// From 32 secret bytes that were kept; nil from any other number.
    public init?(secret: [UInt8]) {
        guard secret.count == 32, let id = NodeID(Ed25519.publicKey(of: secret)) else { return nil }
        (self.id, self.secret) = (id, secret)
    }

    /// A new node.
    public static func random() -> NodeIdentity {
        guard let identity = NodeIdentity(secret: SecretBytes.random(32)) else {
            preconditionFailure("32 bytes are a secret")
        }
        return identity
    }

    /// What `kept` was: 52 letters and digits.
    package init?(kept text: String) {
        guard let secret = Base32.decode(text) else { return nil }
        self.init(secret: secret)
    }

    /// The secret as text, for a file that nobody else reads.
    package var kept: String { Base32.encode(secret) }

    public var description: String { id.description }

    package func signature(of bytes: [UInt8]) -> [UInt8] { Ed25519.signature(of: bytes, privateKey: secret) }
}

extension NodeID {
    package func verifies(_ signature: [UInt8], of bytes: [UInt8]) -> Bool {
        Ed25519.verifies(signature, of: bytes, publicKey: self.bytes)
    }
}
