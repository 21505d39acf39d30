#include "cli/version.h"

#include "build_information.h"
#include "cli/application.h"

const char version_project[] = PROJECT_VERSION;
const char version_commit[] = PROJECT_COMMIT;

#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#else
#define ARCHITECTURE "unknown"
#endif

const char *application_user_agent(void) {
    return "deploy-inference-service/" PROJECT_VERSION " (linux/" ARCHITECTURE ")";
}
