/// Columns that a person reads.
struct TextTable {
    private var rows: [[String]]
    private var widths: [Int]

    init(_ header: String...) { (rows, widths) = ([header], header.map(\.count)) }

    mutating func add(_ cells: String...) {
        for (column, cell) in cells.enumerated() { widths[column] = max(widths[column], cell.count) }
        rows.append(cells)
    }

    var text: String {
        rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                if column < row.count - 1 { line += String(repeating: " ", count: widths[column] - cell.count + 2) }
            }
            return line + "\n"
        }.joined()
    }
}
