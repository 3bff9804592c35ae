// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target is built with.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"), .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableExperimentalFeature("Lifetimes"),  // For ByteReader, which borrows a span.
]

let package = Package(
    name: "omniway",
    platforms: [.macOS(.v26)],
    products: [
        //.library(name: "Omniway", targets: ["Omniway"]),
        //        .library(name: "OmniwayTesting", targets: ["OmniwayTesting"]),
        //        .executable(name: "omniway", targets: ["OmniwayCommand"]),
    ],
    targets: [
        .target(name: "CSystem", path: "Sources/CSystem"),
        .target(name: "OmniwayWire", path: "Sources/Wire", swiftSettings: strict),
        .target(name: "OmniwayTelemetry", path: "Sources/Telemetry", swiftSettings: strict),
        .target(
            name: "OmniwayTransport", dependencies: ["CSystem", "OmniwayWire", "OmniwayTelemetry"],
            path: "Sources/Transport", swiftSettings: strict),
        .executableTarget(
            name: "RelayBenchmark", dependencies: ["OmniwayTransport"], path: "Benchmarks/relay/swift",
            swiftSettings: strict),
    ]
)
