import ArgumentParser
import CanonicalJSON

/// `daybook version`: which program this is.
struct Version: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say which version this is, and of which commit and day.",
    discussion: """
      EXAMPLES
        daybook version
        daybook version --json
      """)

  @OptionGroup var output: OutputOptions

  func run() {
    let commit = BuildVersion.commit
    if output.json {
      return Terminal.say(
        json: [
          "commit": commit.map(JSON.string) ?? .null, "date": BuildVersion.date.map(JSON.string) ?? .null,
          "version": .string(BuildVersion.text),
        ])
    }
    let build =
      commit.map { "commit \($0)" + (BuildVersion.date.map { " of \($0)" } ?? "") } ?? "a development build"
    Terminal.say("Daybook \(BuildVersion.text), \(build)")
  }
}
