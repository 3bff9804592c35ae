public struct Log: Sendable {
    public static let shared = Log()
    public func notice(_ e: String, _ f: KeyValuePairs<String, String> = [:]) {}
    public func warning(_ e: String, _ f: KeyValuePairs<String, String> = [:]) {}
    public func error(_ e: String, _ f: KeyValuePairs<String, String> = [:]) {}
}
