import ArgumentParser

/// Drives a believable month of all five platforms' life through the socket of a running server.
@main
struct Demo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "daybook-demo", abstract: "Fill a server with a believable month of five platforms' life.")

  func run() async throws {}
}
