// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target is built with.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"), .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableExperimentalFeature("Lifetimes"),  // For ByteReader, which borrows a span.
]

/// A library target of the product: its folder is its name without the prefix.
func library(_ folder: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
    .target(
        name: "Omniway\(folder)", dependencies: dependencies, path: "Sources/\(folder)", resources: resources,
        swiftSettings: strict)
}

func tests(_ folder: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: "\(folder)Tests", dependencies: dependencies, path: "Tests/\(folder)Tests", swiftSettings: strict)
}

/// The Swift part of a benchmark.
func benchmark(_ name: String, _ folder: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .executableTarget(
        name: name, dependencies: ["OmniwayTransport", "OmniwayTelemetry"] + dependencies,
        path: "Benchmarks/\(folder)/swift", swiftSettings: strict)
}

/// Of what a release was built; scripts/stage.sh says it.
let commit = Context.environment["OMNIWAY_COMMIT"].map { [CSetting.define("OMNIWAY_COMMIT", to: "\"\($0)\"")] } ?? []

let package = Package(
    name: "omniway",
    platforms: [.macOS(.v26)],
    products: [
        .library(name: "Omniway", targets: ["Omniway"]),
        .library(name: "OmniwayMain", targets: ["OmniwayMain"]),
        .library(name: "OmniwayTesting", targets: ["OmniwayTesting"]),
        .executable(name: "omniway", targets: ["OmniwayCommand"]),
        .executable(name: "conformance-server", targets: ["ConformanceServer"]),
    ],
    targets: [
        .target(name: "CSystem", path: "Sources/CSystem", cSettings: commit),
        .systemLibrary(
            name: "COpenSSL", path: "Sources/COpenSSL", pkgConfig: "openssl",
            providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
        .systemLibrary(
            name: "CZlib", path: "Sources/CZlib", pkgConfig: "zlib",
            providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        .systemLibrary(
            name: "CSQLite", path: "Sources/CSQLite", pkgConfig: "sqlite3",
            providers: [.apt(["libsqlite3-dev"]), .brew(["sqlite"])]),
        library("Crypto", ["COpenSSL", "CZlib"]),
        library("Wire", ["OmniwayCrypto"]),
        library("Telemetry", ["CSystem"]),
        library("Arguments"),
        library("Transport", ["CSystem", "COpenSSL", "OmniwayWire", "OmniwayCrypto", "OmniwayTelemetry"]),
        library(
            "Cluster",
            ["CSQLite", "OmniwayWire", "OmniwayCrypto", "OmniwayTransport", "OmniwayTelemetry"]),
        library("Gateway", ["OmniwayWire", "OmniwayTransport", "OmniwayTelemetry"]),
        library("App", ["OmniwayCluster", "OmniwayWire", "OmniwayCrypto", "OmniwayTransport", "OmniwayTelemetry"]),
        library("Tunnel", ["OmniwayWire", "OmniwayCrypto", "OmniwayTransport", "OmniwayTelemetry", "OmniwayCluster"]),
        library("Mesh", ["OmniwayWire", "OmniwayTransport", "OmniwayTelemetry"]),
        library(
            "Admin", ["CSystem", "OmniwayCrypto", "OmniwayWire", "OmniwayTransport", "OmniwayTelemetry"],
            resources: ["dashboard.html", "dashboard.css", "dashboard.js", "words.js"].map {
                .embedInCode("Dashboard/Pages/\($0)")
            }),
        .target(
            name: "Omniway",
            dependencies: [
                "OmniwayWire", "OmniwayTransport", "OmniwayTelemetry", "OmniwayCluster", "OmniwayGateway", "OmniwayApp",
                "OmniwayMesh", "OmniwayTunnel", "OmniwayAdmin",
            ], path: "Sources/Omniway", swiftSettings: strict),
        library("Main", ["Omniway", "OmniwayArguments"]),
        .executableTarget(
            name: "OmniwayCommand",
            dependencies: ["Omniway", "OmniwayMain", "OmniwayArguments", "OmniwayTesting", "RoomApp"],
            path: "Sources/Command", swiftSettings: strict),
        library("Testing", ["OmniwayWire", "OmniwayTransport"]),

        tests("Arguments", ["OmniwayArguments", "OmniwayTesting"]),
        tests("Telemetry", ["OmniwayTelemetry", "OmniwayTransport", "OmniwayTesting"]),
        tests("Crypto", ["OmniwayCrypto", "OmniwayTesting"]),
        tests("Wire", ["OmniwayWire", "OmniwayCrypto", "OmniwayTesting"]),
        tests(
            "Command",
            [
                "Omniway", "OmniwayCommand", "EchoExample", "WebExample", "CommandsExample", "GatewayExample",
                "ChatExample", "RoomExample", "BrowserSupport", "ClusterSupport", "OmniwayArguments", "OmniwayGateway",
                "OmniwayWire",
                "OmniwayTransport", "OmniwayTesting", "ConformanceServer",
            ]),
        tests("Admin", ["OmniwayAdmin", "OmniwayWire", "OmniwayTransport", "OmniwayTelemetry", "OmniwayTesting"]),
        tests(
            "Gateway",
            [
                "OmniwayGateway", "OmniwayWire", "OmniwayTransport", "OmniwayTelemetry", "OmniwayTesting",
                "BrowserSupport",
            ]),
        tests(
            "App",
            [
                "OmniwayApp", "OmniwayCluster", "OmniwayMain", "OmniwayArguments", "Omniway", "OmniwayWire",
                "OmniwayCrypto", "OmniwayTransport", "OmniwayTelemetry", "OmniwayTesting", "BrowserSupport",
                "ClusterSupport", "ConformanceServer", "SerializerExample", "GameExample", "ClientExample",
                "ClusterExample",
            ]),
        tests(
            "Cluster",
            [
                "OmniwayCluster", "OmniwayWire", "OmniwayCrypto", "OmniwayTransport", "OmniwayTelemetry",
                "OmniwayTesting", "RegistryWriter", "ClusterSupport", "ActorsExample",
            ]),
        // Another process, for the tests of a store that processes share.
        .executableTarget(
            name: "RegistryWriter", dependencies: ["OmniwayCluster", "OmniwayTransport"],
            path: "Tests/RegistryWriter", swiftSettings: strict),
        tests(
            "Tunnel",
            [
                "OmniwayTunnel", "OmniwayWire", "OmniwayCrypto", "OmniwayTransport", "OmniwayTelemetry",
                "OmniwayTesting", "OmniwayCluster",
            ]),
        tests(
            "Mesh",
            [
                "PheromonesExample", "PeersExample", "FolderExample", "SimulationExample", "MeshBenchmark",
                "OmniwayMesh", "OmniwayWire", "OmniwayTransport", "OmniwayTelemetry", "OmniwayTesting",
            ]),
        // What takes more than one face.
        tests("Omniway", ["Omniway", "OmniwayTesting"]),
        tests("Document", []),
        .testTarget(
            name: "TidyTests", path: "Tests/TidyTests", exclude: ["rare.json"], swiftSettings: strict),
        tests(
            "Transport",
            [
                "OmniwayTransport", "OmniwayWire", "OmniwayCrypto", "OmniwayTesting", "OmniwayTelemetry",
                "CycleBenchmark", "BrowserSupport", "IsolationProgram",
            ]),
        // What continuous integration runs optimised too.
        .executableTarget(
            name: "IsolationProgram", dependencies: ["OmniwayTransport", "OmniwayTesting"],
            path: "Tests/Isolation", swiftSettings: strict),
        // Real stores and buses, for the tests of two targets.
        .target(
            name: "ClusterSupport", dependencies: ["OmniwayTelemetry", "OmniwayTesting"],
            path: "Tests/ClusterSupport", swiftSettings: strict),
        // A browser, for the tests of two targets.
        .target(
            name: "BrowserSupport", dependencies: ["OmniwayWire", "OmniwayTransport", "OmniwayTesting"],
            path: "Tests/BrowserSupport", swiftSettings: strict),

        // As an application would be built: none of the settings above.
        .executableTarget(name: "EchoExample", dependencies: ["Omniway"], path: "Examples/echo"),
        .executableTarget(name: "WebExample", dependencies: ["Omniway"], path: "Examples/web"),
        .executableTarget(name: "CommandsExample", dependencies: ["Omniway"], path: "Examples/commands"),
        .executableTarget(name: "GatewayExample", dependencies: ["Omniway"], path: "Examples/gateway"),
        .executableTarget(
            name: "ChatExample", dependencies: ["Omniway"], path: "Examples/chat",
            exclude: ["README.md", "index.html"]),
        // Also what `omniway up` serves.
        .target(
            name: "RoomApp", dependencies: ["Omniway"], path: "Examples/room", exclude: ["README.md", "Main.swift"],
            resources: [.embedInCode("index.html"), .embedInCode("omniway-app.js")]),
        .executableTarget(
            name: "RoomExample", dependencies: ["Omniway", "RoomApp"], path: "Examples/room",
            exclude: ["README.md", "index.html", "omniway-app.js", "Room.swift"]),
        .executableTarget(
            name: "GameExample", dependencies: ["Omniway"], path: "Examples/game", exclude: ["README.md"]),

        .executableTarget(
            name: "ClusterExample", dependencies: ["OmniwayMain"], path: "Examples/cluster",
            exclude: ["README.md", "run"]),
        .executableTarget(name: "ActorsExample", dependencies: ["OmniwayMain"], path: "Examples/actors"),
        .executableTarget(name: "ClientExample", dependencies: ["Omniway"], path: "Examples/client"),
        .executableTarget(name: "PeersExample", dependencies: ["Omniway"], path: "Examples/peers"),
        .executableTarget(name: "FolderExample", dependencies: ["Omniway"], path: "Examples/folder"),
        .executableTarget(
            name: "SimulationExample", dependencies: ["Omniway", "OmniwayTesting"], path: "Examples/simulation"),
        .executableTarget(name: "PheromonesExample", dependencies: ["Omniway"], path: "Examples/pheromones"),
        .executableTarget(name: "ConformanceServer", dependencies: ["OmniwayMain"], path: "Examples/conformance"),
        .executableTarget(name: "SerializerExample", dependencies: ["OmniwayMain"], path: "Examples/serializer"),

        benchmark("RelayBenchmark", "relay"),
        benchmark("CycleBenchmark", "cycles", ["CSystem"]),
        benchmark("AutobahnProgram", "autobahn"),
        benchmark("WebSocketBenchmark", "websocket"),
        benchmark("HTTPBenchmark", "http"),
        benchmark("HandlerBenchmark", "handlers"),
        benchmark("TLSBenchmark", "tls"),
        benchmark("SnetBenchmark", "snet"),
        benchmark("AppBenchmark", "app", ["Omniway"]),
        benchmark("BusBenchmark", "bus", ["OmniwayCluster"]),
        benchmark("TunnelBenchmark", "tunnel", ["OmniwayTunnel", "OmniwayCluster"]),
        benchmark("MeshBenchmark", "mesh", ["OmniwayWire", "OmniwayTesting"]),
    ]
)
