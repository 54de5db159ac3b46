import Foundation
import TestBasics
import Testing

/// A sample of tools/package, with the program that the tests have; tools/test-package installs what it makes.
@Suite(.serialized) struct PackageTests {
  @Test(
    .enabled(if: access("/usr/bin/dpkg-shlibdeps", X_OK) == 0, "dpkg-shlibdeps is not installed (dpkg-dev)"),
    .timeLimit(.minutes(5)))
  func `a package has the program, its catalog, its unit, and pages of its own help`() async throws {
    try await TemporaryFolder.with { folder in
      let made = try await runProgram(
        [
          "\(Repository.root)/tools/package", "--program", try Programs.built("daybook"), "--output", folder.path,
        ], in: folder, directory: Repository.root, environment: ["DAYBOOK_COMPRESSION": "gzip"], within: .seconds(280))
      try #require(made.status == .code(0), "\(made.errors)")
      let package = try #require(made.output.split(separator: "\n").last.map(String.init))
      let listed = try await runProgram(["dpkg-deb", "--contents", package], in: folder)
      for path in [
        "./usr/bin/daybook", "./usr/share/daybook/schema/run.yaml", "./usr/share/daybook/projections/runs.sql",
        "./usr/share/daybook/projections/platforms/etlab.sql", "./lib/systemd/system/daybook.service",
        "./etc/daybook/daybook.conf", "./usr/share/man/man1/daybook.1.gz", "./usr/share/doc/daybook/copyright",
      ] {
        #expect(listed.output.contains(" \(path)\n"), "\(path)")
      }
      let control = try await runProgram(["dpkg-deb", "--field", package, "Depends"], in: folder)
      #expect(control.output.contains("liblmdb0") && control.output.contains("libpq5"), "\(control.output)")
      let root = folder.path + "/root"
      let unpacked = try await runProgram(["dpkg-deb", "--extract", package, root], in: folder)
      try #require(unpacked.status == .code(0), "\(unpacked.errors)")
      // The program finds its catalog beside it, wherever the package is unpacked, without a variable.
      let catalog = try await runProgram(
        ["\(root)/usr/bin/daybook", "catalog", "run"], in: folder, directory: folder.path)
      #expect(catalog.status == .code(0) && catalog.output.contains("run.start"), "\(catalog.errors)")
      // What the unit starts is understood.
      let unit = TestFiles.text("\(root)/lib/systemd/system/daybook.service")
      for option in ["--data", "--root-key-file", "--socket", "--postgres-socket-folder"] {
        #expect(unit.contains(" \(option) "), "\(option)")
      }
      let help = try await runProgram(["\(root)/usr/bin/daybook", "help", "serve"], in: folder)
      let page = try await runProgram(
        ["bash", "-c", "gzip -dc '\(root)/usr/share/man/man1/daybook-serve.1.gz'"], in: folder)
      for option in ["postgres-socket-folder", "backup-every", "root-key-file"] {
        #expect(help.output.contains("--" + option))
        #expect(page.output.contains(option.split(separator: "-").joined(separator: "\\-")), "\(option)")
      }
    }
  }
}
