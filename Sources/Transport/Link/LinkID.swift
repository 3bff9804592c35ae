/// A link of one loop: its slot, and the generation that tells it from earlier and later tenants of that slot.
/// A plain value for tables. Writing to the id of a link that is gone is harmless.
public struct LinkID: Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    /// Nobody.
    public static let none = LinkID(rawValue: 0)

    init(_ id: SlotID) { rawValue = id.rawValue }
    var slotID: SlotID { SlotID(rawValue: rawValue) }

    public var description: String { "\(slotID.slot).\(slotID.generation)" }
}
