/// Amounts written as decimal numbers with units, such as `1m30s` or `1.5M`, exact to the smallest unit.
struct Measure {
    /// What an amount is called, and what to write for one.
    let noun, advice: String
    /// From the largest to the smallest, each with the name to write and others to accept.
    let units: [(names: [String], size: Int64)]
    /// Whether an amount may be a sum, as `1m30s` is.
    let addsUp: Bool

    /// A count of the smallest unit. The product of two counts always fits into an `Int128`.
    func parse(_ text: String) throws(ValueError) -> Int64 {
        if text == "0" { return 0 }
        var (rest, sum) = (text[...], 0 as Int128)
        repeat {
            let number = rest.prefix(while: isPartOfNumber)
            let name = rest[number.endIndex...].prefix { !isPartOfNumber($0) }
            rest = rest[name.endIndex...]
            let parts = number.split(separator: ".", omittingEmptySubsequences: false)
            guard let unit = units.first(where: { $0.names.contains(String(name)) }),
                parts.count <= 2, !parts.contains(""), addsUp || rest.isEmpty
            else { throw ValueError(text, "is not a \(noun); write \(advice)") }

            guard let whole = Int64(parts[0]) else { throw tooLarge(text) }
            sum += Int128(whole) * Int128(unit.size)
            if parts.count == 2 {
                guard let fraction = fraction(parts[1], of: unit.size) else {
                    throw ValueError(text, "is too fine; write no parts of 1\(units.last?.names.last ?? "")")
                }
                sum += fraction
            }
            guard sum <= Int64.max else { throw tooLarge(text) }
        } while !rest.isEmpty
        return Int64(sum)
    }

    /// The shortest text, and among equally short ones that without a fraction: `250ms` rather than `0.25s`.
    func format(_ amount: Int128) -> String { amount == 0 ? "0" : shortest(amount, in: units[...]) }

    private func isPartOfNumber(_ character: Character) -> Bool {
        character == "." || character.isASCII && character.isWholeNumber
    }

    private func tooLarge(_ text: String) -> ValueError {
        ValueError(text, "is too large; write at most \(Int64.max / units[0].size)\(units[0].names[0])")
    }

    /// The digits behind a point, times the unit, or `nil` when that is not a whole count of the smallest unit.
    private func fraction(_ digits: Substring, of size: Int64) -> Int128? {
        var digits = digits
        while digits.last == "0" { digits.removeLast() }
        if digits.isEmpty { return 0 }
        // Eighteen digits fit into an Int64; more are finer than any measure here.
        guard digits.count <= 18, let numerator = Int64(digits) else { return nil }
        let scale = digits.reduce(1 as Int128) { scale, _ in scale * 10 }
        let (count, rest) = (Int128(numerator) * Int128(size)).quotientAndRemainder(dividingBy: scale)
        return rest == 0 ? count : nil
    }

    /// Tries every unit, with a fraction or with the remainder in smaller units: `1.5s`, `1h1s`.
    private func shortest(_ amount: Int128, in units: ArraySlice<(names: [String], size: Int64)>) -> String {
        var texts: [String] = []
        for (index, unit) in zip(units.indices, units) {
            if let number = decimal(amount, over: unit.size) { texts.append(number + unit.names[0]) }
            let (whole, rest) = amount.quotientAndRemainder(dividingBy: Int128(unit.size))
            if addsUp, whole > 0, rest > 0 {
                texts.append("\(whole)\(unit.names[0])" + shortest(rest, in: units[(index + 1)...]))
            }
        }
        return texts.min { ($0.count, $0.contains(".") ? 1 : 0) < ($1.count, $1.contains(".") ? 1 : 0) } ?? ""
    }

    /// The quotient, or `nil` when it has no end, as a second in hours.
    private func decimal(_ amount: Int128, over size: Int64) -> String? {
        var (whole, rest) = amount.magnitude.quotientAndRemainder(dividingBy: UInt128(size))
        var text = "\(amount < 0 ? "-" : "")\(whole)\(rest > 0 ? "." : "")"
        for _ in 0..<18 where rest > 0 {
            (whole, rest) = (rest * 10).quotientAndRemainder(dividingBy: UInt128(size))
            text += "\(whole)"
        }
        return rest == 0 ? text : nil
    }
}
