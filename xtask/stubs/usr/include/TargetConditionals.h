/* Stands in for Apple's header where code is only checked, not linked. */
#pragma once
#undef TARGET_OS_MAC
#undef TARGET_OS_IPHONE
#undef TARGET_OS_IOS
#undef TARGET_OS_OSX
#define TARGET_OS_MAC 1
#ifdef __ENVIRONMENT_IPHONE_OS_VERSION_MIN_REQUIRED__
#define TARGET_OS_IPHONE 1
#define TARGET_OS_IOS 1
#define TARGET_OS_OSX 0
#else
#define TARGET_OS_IPHONE 0
#define TARGET_OS_IOS 0
#define TARGET_OS_OSX 1
#endif
