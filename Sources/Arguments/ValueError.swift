/// A text that is not the value it should be. It says what is wrong and what to write instead.
public struct ValueError: Error, Equatable, CustomStringConvertible {
    /// Half a sentence, to be put behind the name of what has the value.
    public let description: String

    /// The text is quoted with its control characters escaped, since it may come from anywhere.
    init(_ text: String, _ problem: String) { description = "\(text.debugDescription) \(problem)" }
}
