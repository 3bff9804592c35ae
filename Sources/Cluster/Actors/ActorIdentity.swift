/// Which actor is meant: its type, and the name under which it is hosted. There is one of it in a cluster at most.
public struct ActorIdentity: Sendable, Hashable, Codable, CustomStringConvertible {
    /// The type with its module: `Game.Room`.
    public let type: String
    public let name: String

    public init(_ type: Any.Type, _ name: String) { self.init(type: String(reflecting: type), name: name) }
    init(type: String, name: String) { (self.type, self.name) = (type, name) }

    public var description: String { "\(type)/\(name)" }

    /// Most bytes of a type or a name.
    static let longest = 256

    /// It becomes a part of a key: what is wrong with it.
    func check() throws(ActorError) {
        for (what, text) in [("the type", type), ("the name", name)] {
            let isFine = 1...Self.longest ~= text.utf8.count && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
            if !isFine {
                throw ActorError(
                    .invalid, "\(what) of an actor has 1 to \(Self.longest) bytes and no control characters")
            }
        }
        // Of other types it cannot be told for certain which methods are theirs; see `ActorTargets`.
        if type.utf8.count(where: { $0 == UInt8(ascii: ".") }) != 1 || type.utf8.contains(where: "/<(".utf8.contains) {
            throw ActorError(.invalid, "\(type) cannot be called elsewhere: make it a type of its module, not generic")
        }
    }
}
