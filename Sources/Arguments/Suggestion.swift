/// The candidate that a mistyped word most likely means, or `nil` when none is near.
///
/// Near is one wrong character in about three, so that short words are not taken for each other.
func nearest(to word: String, among candidates: [String]) -> String? {
    let limit = (word.count + 1) / 3
    return candidates.map { (name: $0, distance: editDistance(word.lowercased(), $0.lowercased(), limit: limit)) }
        .filter { $0.distance <= limit }
        .min { $0.distance < $1.distance }?.name
}

/// How many characters must be added, dropped or replaced to turn one word into the other; beyond the limit, a bound.
private func editDistance(_ first: String, _ second: String, limit: Int) -> Int {
    let (first, second) = (Array(first), Array(second))
    // A word of a megabyte is answered without a table of a megabyte for every candidate.
    guard abs(first.count - second.count) <= limit else { return abs(first.count - second.count) }
    var row = Array(0...second.count)
    for (i, character) in first.enumerated() {
        var diagonal = exchange(&row[0], with: i + 1)
        for (j, other) in second.enumerated() {
            let replaced = diagonal + (character == other ? 0 : 1)
            diagonal = exchange(&row[j + 1], with: min(replaced, row[j] + 1, row[j + 1] + 1))
        }
    }
    return row[second.count]
}
