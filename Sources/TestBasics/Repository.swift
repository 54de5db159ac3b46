import Foundation
import Testing

/// The repository that the tests are built from, and the data from outside that may lie beside it.
package enum Repository {
  /// The folder that holds `Package.swift`.
  package static let root: String = {
    var folder = URL(fileURLWithPath: #filePath)
    while folder.path != "/" {
      folder.deleteLastPathComponent()
      if FileManager.default.fileExists(atPath: folder.path + "/Package.swift") { return folder.path }
    }
    return "."
  }()

  /// The folder of the catalog's files.
  package static let schema = root + "/schema"

  /// The folder of the read models' files.
  package static let projections = root + "/projections"

  /// The folder `../shared/data` as seen from the root; nil where it is absent.
  package static let sharedData: String? = {
    let folder = URL(fileURLWithPath: root).deletingLastPathComponent().path + "/shared/data"
    return FileManager.default.fileExists(atPath: folder) ? folder : nil
  }()

  /// Returns the bytes of a file of the shared data.
  package static func shared(_ path: String) throws -> [UInt8] {
    try TestFiles.bytes(try sharedFolder() + "/" + path)
  }

  /// Returns the paths, below a folder of the shared data, of every file in it that ends so, sorted.
  package static func sharedNames(in folder: String, ending: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: try sharedFolder() + "/" + folder)
      .filter { $0.hasSuffix(ending) }.sorted()
  }

  private static func sharedFolder() throws -> String {
    guard let sharedData else { throw HarnessError("../shared/data is absent") }
    return sharedData
  }
}

extension Trait where Self == ConditionTrait {
  /// Skips tests where the data from outside isn't there.
  package static var needsSharedData: Self {
    .enabled(if: Repository.sharedData != nil, "needs ../shared/data, which is absent")
  }

  /// Skips tests where the programs aren't built.
  package static var needsPrograms: Self {
    .enabled(if: Programs.path("daybook") != nil, "needs the program daybook: run swift build --product daybook")
  }
}
