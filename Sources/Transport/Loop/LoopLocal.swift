/// A `Sendable` name of an object that one loop owns, for code that is on that loop already: a dialer, an acceptor.
/// `LoopBound` is for code that is elsewhere and may wait.
public struct LoopLocal<Value: AnyObject>: Sendable {
    private let home: ObjectIdentifier
    private let slot: Int
    private let generation: UInt64

    fileprivate init(_ home: Loop, _ slot: Int, _ generation: UInt64) {
        (self.home, self.slot, self.generation) = (ObjectIdentifier(home), slot, generation)
    }

    /// Nil on another loop, and when the loop has let go of the object.
    public func on(_ loop: Loop) -> Value? {
        guard home == ObjectIdentifier(loop), slot < loop.named.count, loop.named[slot].generation == generation
        else { return nil }
        return loop.named[slot].object as? Value
    }

    /// Lets go of the object.
    public func release(on loop: Loop) { if on(loop) != nil { loop.named[slot].object = nil } }
}

/// What a `LoopLocal` stands for, and how many have stood there.
struct NamedObject {
    var generation: UInt64 = 0
    var object: AnyObject?
}

extension Loop {
    /// Holds the object until its name is released, or the loop ends.
    public func name<Value: AnyObject>(_ object: Value) -> LoopLocal<Value> {
        let slot = named.firstIndex { $0.object == nil } ?? named.count
        if slot == named.count { named.append(NamedObject()) }
        named[slot] = NamedObject(generation: named[slot].generation + 1, object: object)
        return LoopLocal(self, slot, named[slot].generation)
    }
}
