/// How many bytes peers may send that nobody has read yet: what was granted counts, so the promise is kept whatever
/// peers do. A peer's budget is a part of the loop's. Everything that takes from one lives on one loop.
package final class MuxBudget {
    package let limit: Int
    package private(set) var used = 0
    private let whole: MuxBudget?

    package init(_ limit: Int, of whole: MuxBudget? = nil) { (self.limit, self.whole) = (limit, whole) }

    package var room: Int { min(limit - used, whole?.room ?? .max) }

    /// Windows grow only while half of it is free. The other half is for streams to begin, and for the slow.
    package var mayGrow: Bool { used < limit / 2 && (whole?.mayGrow ?? true) }

    /// So much a stream may send at once when it begins. It falls as the budget is used, so there is always something
    /// left for the next.
    package var firstWindow: Int {
        let own = mayGrow ? MuxInflow.first : used < limit / 4 * 3 ? MuxInflow.pressed : MuxInflow.least
        return min(own, whole?.firstWindow ?? own)
    }

    /// False when there is not so much left.
    package func take(_ count: Int) -> Bool {
        guard count <= room else { return false }
        add(count)
        return true
    }

    package func give(_ count: Int) { add(-count) }

    private func add(_ count: Int) {
        used += count
        whole?.add(count)
    }
}
